/**
 * The running language server: started, watched, restarted one at a time, stopped.
 *
 * Each start makes a new client, since the program may be another one by then. Who wants to speak
 * to the server asks for `running`.
 */

import * as vscode from "vscode";
import {
  CloseAction,
  ErrorAction,
  LanguageClient,
  RevealOutputChannelOn,
  type LanguageClientOptions,
  type Middleware,
} from "vscode-languageclient/node";

import { SCHEMES } from "../documents";
import { CrashGuard } from "./crashes";
import type { Found, Missing } from "./find";

export type SessionState =
  | { readonly kind: "stopped" }
  | { readonly kind: "starting" }
  | { readonly kind: "running" }
  | { readonly kind: "missing"; readonly missing: Missing }
  | { readonly kind: "failed"; readonly reason: string };

export interface Launch {
  readonly args: string[];
  readonly env: Record<string, string | undefined>;
  /** A folder of the extension's own: the server's code must not come from the workspace. */
  readonly cwd: string;
}

export interface SessionParts {
  readonly log: vscode.LogOutputChannel;
  readonly find: () => Promise<Found | Missing>;
  readonly launch: () => Launch;
  readonly middleware: Middleware;
  /** Called with each new client before it is started. */
  readonly wire: (client: LanguageClient) => void;
}

/** Imports, the most of a start, take 0.9 s of CPU time (docs/log.md); a loaded machine gets 60 times that. */
const START_TIMEOUT_MS = 60_000;
const STOP_TIMEOUT_MS = 5_000;
/** Settings are saved while they are typed, at every pause; each restart may have something to tell. */
const SETTLE_MS = 1_000;

export class Session implements vscode.Disposable {
  private client: LanguageClient | undefined;
  private queue: Promise<void> = Promise.resolve();
  private currentState: SessionState = { kind: "stopped" };
  private retry: NodeJS.Timeout | undefined;
  private disposed = false;
  private readonly crashes = new CrashGuard();
  private readonly changed = new vscode.EventEmitter<SessionState>();
  readonly onDidChange = this.changed.event;

  constructor(private readonly parts: SessionParts) {}

  get state(): SessionState {
    return this.currentState;
  }

  /** The client, if the server answers. */
  get running(): LanguageClient | undefined {
    return this.currentState.kind === "running" ? this.client : undefined;
  }

  /** Returns the client once no start is under way: undefined if there is none then, which the state explains. */
  async settled(): Promise<LanguageClient | undefined> {
    while (this.isUnderWay) await this.nextChange();
    return this.running;
  }

  /** Starts the server anew: a start under way is given up, a stop is waited for. Never rejects. */
  restart(): Promise<void> {
    this.crashes.forget();
    return this.relaunch();
  }

  /** Starts the server anew once nobody has wanted that for a second. */
  restartSoon(): void {
    clearTimeout(this.retry);
    this.retry = setTimeout(() => void this.restart(), SETTLE_MS);
  }

  /** Stops the server. */
  async stop(): Promise<void> {
    clearTimeout(this.retry);
    this.giveUpStart();
    await this.enqueue(async () => {
      await this.halt();
      this.become({ kind: "stopped" });
    });
  }

  dispose(): void {
    this.disposed = true;
    clearTimeout(this.retry);
    this.changed.dispose();
  }

  /** Between a stop and the start behind it there is no client, and still the state of before. */
  private get isUnderWay(): boolean {
    const { kind } = this.currentState;
    return kind === "starting" || (kind === "running" && !this.client);
  }

  private nextChange(): Promise<void> {
    return new Promise((resolve) => {
      const subscription = this.onDidChange(() => {
        subscription.dispose();
        resolve();
      });
    });
  }

  private relaunch(): Promise<void> {
    clearTimeout(this.retry);
    this.giveUpStart();
    return this.enqueue(async () => {
      await this.halt();
      if (!this.disposed) await this.launch();
    });
  }

  /** Ends a client that starts, perhaps for ever: what stands behind it in the queue would wait as long. */
  private giveUpStart(): void {
    if (this.currentState.kind === "starting" && this.client) this.abandon(this.client);
  }

  /** Ends a client that nobody waits for. */
  private abandon(client: LanguageClient): void {
    if (client === this.client) this.client = undefined;
    client.dispose().catch(() => undefined); // one that starts refuses, and ends its program in 2 s all the same
  }

  private enqueue(work: () => Promise<void>): Promise<void> {
    this.queue = this.queue.then(work).catch((error: unknown) => {
      const reason = error instanceof Error ? error.message : String(error);
      this.parts.log.error(`start: ${reason}`);
      this.become({ kind: "failed", reason });
    });
    return this.queue;
  }

  private async halt(): Promise<void> {
    const client = this.client;
    this.client = undefined;
    if (client) await this.end(client);
  }

  private async end(client: LanguageClient): Promise<void> {
    try {
      await client.dispose(STOP_TIMEOUT_MS);
    } catch (error) {
      this.parts.log.warn(`stop: ${error instanceof Error ? error.message : String(error)}`);
    }
  }

  private async launch(): Promise<void> {
    this.become({ kind: "starting" });
    const found = await this.parts.find();
    if (found.kind === "missing") {
      this.parts.log.warn(found.reason);
      this.become({ kind: "missing", missing: found });
      return;
    }
    const { args, env, cwd } = this.parts.launch();
    this.parts.log.info(`starting ${found.program} ${args.join(" ")} (from: ${found.origin})`);
    const client: LanguageClient = new QuietClient(
      "midfill",
      "Midfill",
      { command: found.program, args, options: { env, cwd } },
      this.options(() => {
        if (this.currentState.kind === "running") this.crashed(client, "the language server ended by itself");
      }),
    );
    this.client = client;
    this.parts.wire(client);
    await this.start(client);
  }

  private async start(client: LanguageClient): Promise<void> {
    const limit = setTimeout(() => {
      if (client === this.client) this.become({ kind: "failed", reason: "It did not answer within a minute." });
      this.abandon(client);
    }, START_TIMEOUT_MS);
    try {
      await client.start();
    } catch (error) {
      this.crashed(client, error instanceof Error ? error.message : String(error));
      return;
    } finally {
      clearTimeout(limit);
    }
    if (client === this.client) this.become({ kind: "running" });
    else await this.end(client); // it answered after it was given up
  }

  private options(onClosed: () => void): LanguageClientOptions {
    const closed = () => {
      onClosed();
      return { action: CloseAction.DoNotRestart, handled: true };
    };
    return {
      documentSelector: SCHEMES.map((scheme) => ({ scheme })),
      outputChannel: this.parts.log,
      revealOutputChannelOn: RevealOutputChannelOn.Never,
      initializationOptions: { midfill: { statusNotifications: true, tokenRequests: true } },
      middleware: this.parts.middleware,
      errorHandler: {
        error: () => ({ action: ErrorAction.Continue, handled: true }),
        closed,
      },
      initializationFailedHandler: () => false,
    };
  }

  private crashed(client: LanguageClient, reason: string): void {
    if (client !== this.client) return;
    this.abandon(client); // it has ended; only its registrations are left
    const pauseMs = this.crashes.crashed();
    this.parts.log.error(`${reason}; ${pauseMs === undefined ? "given up" : "starting it again"}`);
    if (pauseMs === undefined) {
      this.become({ kind: "failed", reason: `It ended five times in three minutes: ${reason}` });
      return;
    }
    this.become({ kind: "starting" });
    clearTimeout(this.retry);
    this.retry = setTimeout(() => void this.relaunch(), pauseMs);
  }

  private become(state: SessionState): void {
    this.currentState = state;
    if (!this.disposed) this.changed.fire(state);
  }
}

/** Tells the log alone what goes wrong: the session and the server tell the user, once and in words. */
class QuietClient extends LanguageClient {
  override error(message: string, data?: unknown): void {
    super.error(message, data, false);
  }
}
