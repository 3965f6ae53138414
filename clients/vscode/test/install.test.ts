import { beforeEach, expect, test } from "vitest";

import { EndTeller } from "../src/server/install";
import { user, window } from "./vscode";

beforeEach(() => {
  user.told.length = 0;
});

function missing(reason: string, canInstall = false) {
  return { kind: "missing", missing: { kind: "missing", reason, canInstall } } as const;
}

test("a missing server is told once while that message is there", async () => {
  // Each wrong path had its own, and nobody can take one back.
  const teller = new EndTeller({} as never, {} as never, {} as never);
  const { showErrorMessage } = window;
  let dismiss: () => void = () => undefined;
  window.showErrorMessage = (text) => {
    void showErrorMessage(text);
    return new Promise((resolve) => {
      dismiss = () => {
        resolve(undefined);
      };
    });
  };
  const first = teller.tell(missing("first"));
  await teller.tell(missing("second"));
  expect(user.told).toEqual(["Midfill: first"]);
  await teller.tell(missing("fourth.", true));
  expect(user.told[1]).toContain("Midfill: fourth. It can be installed");
  user.told.pop();
  dismiss();
  await first;
  window.showErrorMessage = showErrorMessage;
  await teller.tell(missing("third"));
  expect(user.told).toEqual(["Midfill: first", "Midfill: third"]);
});
