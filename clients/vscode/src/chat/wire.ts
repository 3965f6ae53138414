/** What the chat's web page and the extension say to each other. The page imports types alone. */

import { fieldsOf } from "./history";
import type { Turn } from "./turns";

/** Something that goes along with a question, as the page shows it. */
export interface Chip {
  readonly key: string;
  readonly label: string;
  /** The whole path and lines. */
  readonly title: string;
}

export interface Chips {
  readonly sent: readonly Chip[];
  /** The file in front, where the user took it away. */
  readonly offered: Chip | null;
}

export type ToPage =
  | { readonly kind: "all"; readonly turns: readonly Turn[]; readonly chips: Chips }
  | { readonly kind: "turn"; readonly turn: Turn }
  | { readonly kind: "chips"; readonly chips: Chips }
  /** The block that is being looked at as a change, if any. */
  | { readonly kind: "preview"; readonly turn: number | null; readonly block: number }
  | { readonly kind: "focus" };

export const BLOCK_ACTIONS = ["copy", "insert", "apply", "newFile"] as const;
export type BlockAction = (typeof BLOCK_ACTIONS)[number];

/** Commands that the page may have run. */
export const PAGE_COMMANDS = [
  "midfill.chooseModel",
  "midfill.chooseBackend",
  "midfill.showLog",
  "midfill.preview.accept",
  "midfill.preview.reject",
] as const;
export type PageCommand = (typeof PAGE_COMMANDS)[number];

/** A block of code in the page: of which turn, the how manieth there, where its code begins. */
export interface BlockRef {
  readonly turn: number;
  readonly block: number;
  readonly startLine: number;
  readonly language: string;
  readonly text: string;
}

export type FromPage =
  | { readonly kind: "ready" }
  | { readonly kind: "ask"; readonly text: string }
  | { readonly kind: "again" }
  | { readonly kind: "stop" }
  | { readonly kind: "remove"; readonly key: string }
  | { readonly kind: "offer" }
  | { readonly kind: "link"; readonly href: string }
  | { readonly kind: "copy"; readonly text: string }
  | { readonly kind: "run"; readonly command: PageCommand }
  | ({ readonly kind: "block"; readonly action: BlockAction } & BlockRef);

/** Returns a message of the page, undefined if it is none. */
export function readMessage(value: unknown): FromPage | undefined {
  const fields = fieldsOf(value);
  const { kind, text, key, href } = fields;
  switch (kind) {
    case "ready":
    case "again":
    case "stop":
    case "offer":
      return { kind };
    case "ask":
    case "copy":
      return typeof text === "string" ? { kind, text } : undefined;
    case "remove":
      return typeof key === "string" ? { kind, key } : undefined;
    case "link":
      return typeof href === "string" ? { kind, href } : undefined;
    case "run": {
      const command = PAGE_COMMANDS.find((name) => name === fields["command"]);
      return command && { kind, command };
    }
    case "block": {
      const action = BLOCK_ACTIONS.find((name) => name === fields["action"]);
      const block = blockOf(fields);
      return action && block && { kind, action, ...block };
    }
    default:
      return undefined;
  }
}

function blockOf({ turn, block, startLine, language, text }: Record<string, unknown>): BlockRef | undefined {
  if (typeof turn !== "number" || typeof block !== "number" || typeof startLine !== "number") return undefined;
  if (typeof language !== "string" || typeof text !== "string") return undefined;
  return { turn, block, startLine, language, text };
}

/** Returns the address of a link that may be opened: of the web, undefined for any other. */
export function webAddress(href: string): string | undefined {
  if (!URL.canParse(href)) return undefined;
  const { protocol, href: whole } = new URL(href);
  return protocol === "https:" || protocol === "http:" ? whole : undefined;
}
