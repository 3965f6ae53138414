/**
 * A model's answer as HTML that can do nothing: what it writes as HTML is shown as text, links go
 * to the web alone, pictures are not fetched. The sanitiser then lets through what Markdown makes,
 * and nothing else; the page's policy stands behind both.
 */

import DOMPurify from "dompurify";
import MarkdownIt from "markdown-it";

import { webAddress } from "../chat/wire";
import { highlight } from "./languages";

/** A fenced block of the answer, the how manieth `pre.fence` it is in the page. */
export interface Fence {
  readonly language: string;
  readonly text: string;
  /** The line of the answer that its code begins at, from 0, as the server counts. */
  readonly startLine: number;
}

/** Longer answers are shown as they are. */
const MAX_CHARS = 200_000;

const TAGS = [
  "a", "blockquote", "br", "code", "del", "em", "h1", "h2", "h3", "h4", "h5", "h6", "hr", "li",
  "ol", "p", "pre", "s", "span", "strong", "table", "tbody", "td", "th", "thead", "tr", "ul",
];

const markdown = new MarkdownIt({ html: false, linkify: true, highlight }).disable("image");
markdown.linkify.set({ fuzzyLink: false, fuzzyEmail: false });
markdown.validateLink = (href) => webAddress(href) !== undefined;
// Where a link leads is told, whatever its text says.
markdown.renderer.rules["link_open"] = (tokens, idx, options, _, self) => {
  const token = tokens[idx];
  token?.attrSet("title", token.attrGet("href") ?? "");
  return self.renderToken(tokens, idx, options);
};
markdown.renderer.rules.fence = (tokens, idx) => {
  const { info = "", content = "" } = tokens[idx] ?? {};
  const coloured = highlight(content, languageOf(info));
  return `<pre class="fence"><code>${coloured === "" ? markdown.utils.escapeHtml(content) : coloured}</code></pre>\n`;
};

/** Returns the answer's HTML, not yet sanitised, and its fenced blocks in their order. */
export function toHtml(answer: string): { html: string; fences: Fence[] } {
  const tokens = markdown.parse(answer, {});
  const fences = tokens
    .filter((token) => token.type === "fence")
    .map(({ info, content, map }) => ({
      language: languageOf(info),
      text: content,
      startLine: (map?.[0] ?? -1) + 1,
    }));
  return { html: markdown.renderer.render(tokens, markdown.options, {}), fences };
}

/** Returns the answer as nodes for the page, and its fenced blocks. */
export function render(answer: string): { nodes: DocumentFragment; fences: Fence[] } {
  if (answer.length > MAX_CHARS) {
    const nodes = document.createDocumentFragment();
    const plain = document.createElement("pre");
    plain.textContent = answer;
    nodes.append(plain);
    return { nodes, fences: [] };
  }
  const { html, fences } = toHtml(answer);
  const nodes = DOMPurify.sanitize(html, {
    ALLOWED_TAGS: TAGS,
    ALLOWED_ATTR: ["href", "title", "class", "start"],
    ALLOWED_URI_REGEXP: /^https?:/i,
    ALLOW_DATA_ATTR: false,
    ALLOW_ARIA_ATTR: false,
    RETURN_DOM_FRAGMENT: true,
  });
  return { nodes, fences };
}

function languageOf(info: string): string {
  return /^[\w+#.-]{1,40}/.exec(info.trim())?.[0] ?? "";
}
