/** Makes elements. Text is only ever set as text. */

export interface Facts {
  readonly text?: string;
  readonly title?: string;
  readonly attributes?: Readonly<Record<string, string>>;
  readonly children?: readonly Node[];
}

export function element<Name extends keyof HTMLElementTagNameMap>(
  name: Name,
  classes: string,
  facts: Facts = {},
): HTMLElementTagNameMap[Name] {
  const made = document.createElement(name);
  if (classes !== "") made.className = classes;
  if (facts.text !== undefined) made.textContent = facts.text;
  if (facts.title !== undefined) made.title = facts.title;
  for (const [key, value] of Object.entries(facts.attributes ?? {})) made.setAttribute(key, value);
  made.append(...(facts.children ?? []));
  return made;
}

export function button(text: string, title: string, onClick: (self: HTMLButtonElement) => void): HTMLButtonElement {
  const made = element("button", "action", { text, title, attributes: { type: "button" } });
  made.addEventListener("click", () => {
    onClick(made);
  });
  return made;
}
