/** How the language server is started: arguments and environment. Pure. */

export interface LaunchSettings {
  readonly backendKind: string;
  readonly backendUrl: string | null;
  readonly engineUrl: string | null;
  readonly engineSet: boolean;
}

/** Returns the arguments of `midfill`. */
export function serverArguments(settings: LaunchSettings): string[] {
  // With settings of its own the engine can only be started once the server knows them.
  const early = settings.backendKind === "engine" && !settings.engineSet;
  return early ? ["lsp", "--stdio"] : ["lsp", "--stdio", "--no-early-start"];
}

/**
 * Returns the environment of the server.
 *
 * Hosts that the user's own settings name may be sent the token that is kept for them; a
 * workspace cannot set these (their scope is the machine).
 */
export function serverEnvironment(
  base: Readonly<Record<string, string | undefined>>,
  settings: LaunchSettings,
): Record<string, string | undefined> {
  const named = [settings.backendUrl, settings.engineUrl].flatMap((url) => hostOf(url));
  const before = base["MIDFILL_TOKEN_HOSTS"]?.split(",").filter((host) => host !== "") ?? [];
  const hosts = [...new Set([...before, ...named])];
  const own = hosts.length > 0 ? { MIDFILL_TOKEN_HOSTS: hosts.join(",") } : {};
  return { ...base, PYTHONUTF8: "1", PYTHONSAFEPATH: "1", ...own };
}

function hostOf(url: string | null): string[] {
  if (url === null || !URL.canParse(url)) return [];
  return [new URL(url).hostname];
}
