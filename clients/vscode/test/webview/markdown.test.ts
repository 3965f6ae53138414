// @vitest-environment jsdom
import { expect, test } from "vitest";

import { render, toHtml } from "../../src/webview/markdown";

function shown(answer: string): HTMLElement {
  const box = document.createElement("div");
  box.append(render(answer).nodes);
  return box;
}

test.each([
  ["a script", "Hi <script>window.hit = 1</script>"],
  ["a picture's error", '<img src=x onerror="window.hit = 1">'],
  ["a picture of Markdown's", "![x](https://example.com/pixel.png)"],
  ["a reference to a picture", "![x][1]\n\n[1]: https://example.com/pixel.png"],
  ["a link with a script", "[x](javascript:alert(1))"],
  ["a link with a script, hidden", "[x](java&#x73;cript:alert(1)) [y](<JavaScript:alert(1)>)"],
  ["a link with a command", "[x](command:workbench.action.terminal.new)"],
  ["a link with data", "[x](data:text/html;base64,PHNjcmlwdD4=)"],
  ["an automatic link", "<javascript:alert(1)>"],
  ["a file", "[x](file:///etc/passwd) file:///etc/passwd"],
  ["a frame", '<iframe srcdoc="<script>1</script>"></iframe>'],
  ["a form", '<form action="https://example.com"><button>x</button></form>'],
  ["a style", "<style>body { display: none }</style>"],
  ["SVG", "<svg onload=alert(1)><script>1</script></svg>"],
  ["HTML in a fence", '```html\n<img src=x onerror="1">\n</code></pre><script>1</script>\n```'],
  ["HTML in a fence's name", '```"><script>1</script>\nx\n```'],
  ["HTML in code", "`<script>1</script>`"],
  ["HTML in a link's title", `[x](https://example.com '"><script>1</script>')`],
  ["an open comment", "<!-- <script>1</script>"],
  ["MathML", "<math><mtext><table><mglyph><style><img src=x onerror=1>"],
])("%s does nothing", (_, answer) => {
  const box = shown(answer);
  expect(box.querySelector("script, img, iframe, form, button, style, svg, math, object, embed")).toBeNull();
  for (const node of box.querySelectorAll("*")) {
    for (const { name, value } of node.attributes) {
      expect(["href", "title", "class", "start"]).toContain(name);
      if (name === "href") expect(value).toMatch(/^https?:/);
    }
  }
});

test("HTML stands there as text", () => {
  expect(shown("a <b>b</b> <script>c</script>").textContent.trim()).toBe("a <b>b</b> <script>c</script>");
});

test("links to the web work, and tell where they lead", () => {
  const [one, two] = shown("[docs](https://example.com/x) and https://example.org").querySelectorAll("a");
  expect(one?.getAttribute("href")).toBe("https://example.com/x");
  expect(one?.title).toBe("https://example.com/x");
  expect(two?.getAttribute("href")).toBe("https://example.org");
  expect(shown("see example.com and a@example.com").querySelector("a")).toBeNull();
});

test("fences keep their order and their lines as the server counts them", () => {
  const answer = "See:\n\n```py\nx = 1\n```\n\n    indented\n\n- in a list\n\n  ~~~\n  y\n  ~~~\n\n```js\nopen";
  const { html, fences } = toHtml(answer);
  expect(fences).toEqual([
    { language: "py", text: "x = 1\n", startLine: 3 },
    { language: "", text: "y\n", startLine: 11 },
    { language: "js", text: "open", startLine: 15 },
  ]);
  expect(html.match(/<pre class="fence">/g)).toHaveLength(3);
  expect(shown(answer).querySelectorAll("pre")).toHaveLength(4);
});

test("code is coloured where its language is known, and as it was in any case", () => {
  const box = shown("```python\ndef f(): return '<b>'\n```\n```nonsense\n<b>\n```");
  const [known, unknown] = box.querySelectorAll("pre");
  expect(known?.querySelector(".hljs-keyword")?.textContent).toBe("def");
  expect(known?.textContent).toBe("def f(): return '<b>'\n");
  expect(unknown?.textContent).toBe("<b>\n");
  expect(unknown?.querySelector("span")).toBeNull();
});

test("a huge fence is not coloured, a huge answer is plain, and deep nesting ends", () => {
  const code = "x = 1\n".repeat(4_000);
  const box = shown(`\`\`\`python\n${code}\`\`\``);
  expect(box.querySelector("pre")?.textContent).toBe(code);
  expect(box.querySelector("span")).toBeNull();
  const huge = "**a** ".repeat(50_000);
  expect(shown(huge).querySelector("strong")).toBeNull();
  expect(shown(huge).textContent).toBe(huge);
  expect(shown(`${"> ".repeat(50)}x`).textContent).toContain("x");
  expect(shown(`${"> ".repeat(1000)}x`).querySelectorAll("blockquote").length).toBeLessThan(101);
  expect(shown(`${"[".repeat(1000)}x`).textContent).toContain("x");
});
