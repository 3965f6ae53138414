/**
 * The settings as they hold in the language server, from whichever source.
 *
 * VS Code knows its own only: the user's `midfill.toml` holds where it says nothing. So what is
 * chosen from here is written by name where it does not hold already, the defaults too; to remove
 * a setting would give it back to the file.
 */

import type { LanguageClient } from "vscode-languageclient/node";

interface Values {
  readonly "engine.model": string;
  readonly "backend.kind": string;
  readonly "backend.url": string | null;
  readonly "backend.model": string | null;
  readonly "completion.disabledLanguages": readonly string[];
}

/** What of `midfill.settings` is used; docs/protocol.md has all of it. */
export type Held = { readonly [Name in keyof Values]: { readonly value: Values[Name] } };

/** Returns the settings as the language server has them now. */
export async function heldSettings(client: LanguageClient): Promise<Held> {
  const params = { command: "midfill.settings", arguments: [] };
  const { settings } = await client.sendRequest<{ settings: Held }>("workspace/executeCommand", params);
  return settings;
}
