"""Source text that several packages of tests learn from and cut."""

CODE = '''import os


class Greeter:
    """Says hello."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.count = 0

    def greet(self, loud: bool = False) -> str:
        text = f"hello {self.name}"

        if loud:
            return text.upper()
        self.count += 1
        return text


def main() -> None:
    for number in range(10):
        print(Greeter(os.environ["USER"]).greet(number > 3))
'''
