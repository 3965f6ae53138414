/**
 * What the user set, as the language server and the extension want it.
 *
 * VS Code fills every setting with its default. The server must not see those: they would hide
 * what stands in the user's `midfill.toml`. So only what somebody set is sent.
 */

export interface Inspected {
  globalValue?: unknown;
  workspaceValue?: unknown;
  workspaceFolderValue?: unknown;
}

/** Settings of the extension itself; the server does not know them. */
export const OWN_GROUPS: readonly string[] = ["server"];

/**
 * Returns the tree of settings that somebody set.
 *
 * @param names full names of all settings, such as `midfill.completion.debounceMs`.
 * @param inspect where a setting was set; by its name without `midfill.`.
 */
export function serverSettings(
  names: Iterable<string>,
  inspect: (name: string) => Inspected | undefined,
): Record<string, Record<string, unknown>> {
  const tree: Record<string, Record<string, unknown>> = {};
  for (const full of names) {
    const name = full.replace(/^midfill\./, "");
    const [group, key] = name.split(".");
    if (group === undefined || key === undefined || OWN_GROUPS.includes(group)) continue;
    const found = inspect(name);
    const value = found?.workspaceFolderValue ?? found?.workspaceValue ?? found?.globalValue;
    if (value !== undefined) (tree[group] ??= {})[key] = value;
  }
  return tree;
}

/** Returns the names of all settings that a `package.json` contributes. */
export function contributedNames(packageJson: unknown): string[] {
  const contributed = packageJson as {
    contributes: { configuration: { properties: Record<string, unknown> }[] };
  };
  return contributed.contributes.configuration.flatMap((group) => Object.keys(group.properties));
}

/** Usual places of the servers that `backend.kind` names; docs/configuration.md lists them. */
const USUAL_URLS: Readonly<Record<string, string>> = {
  tgi: "https://router.huggingface.co",
  openai: "https://api.openai.com/v1",
  llamacpp: "http://127.0.0.1:8080",
  ollama: "http://127.0.0.1:11434",
};

/** Returns the base URL of the server in use, undefined for the user's own engine. */
export function serverUrl(kind: string, url: string | null | undefined): string | undefined {
  return kind === "engine" ? undefined : (url ?? USUAL_URLS[kind]);
}
