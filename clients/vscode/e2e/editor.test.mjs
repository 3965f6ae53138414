// The extension in a real VS Code, with the real language server, engine and bundled model: one
// start of all of it for every case. `npm run e2e`; ONLY=REGEXP runs the cases whose name fits.
import { after, before, test } from "node:test";

import { host } from "./cases/host.mjs";
import { keys } from "./cases/keys.mjs";
import { models } from "./cases/models.mjs";
import { starting } from "./cases/starting.mjs";
import { suggestions } from "./cases/suggestions.mjs";
import { talks } from "./cases/talks.mjs";
import { trouble } from "./cases/trouble.mjs";
import { Fixture, OUTPUT } from "./fixture.mjs";

let fixture;

before(async () => {
  fixture = await Fixture.start();
});

after(async () => {
  await fixture?.close();
  console.log(`screenshots: ${OUTPUT}`);
});

const only = new RegExp(process.env.ONLY ?? "");
for (const [name, run] of [...suggestions, ...keys, ...host, ...models, ...talks, ...trouble, ...starting]) {
  test(name, { skip: !only.test(name) }, async () => {
    try {
      await run(fixture);
    } catch (error) {
      await fixture.screenshot(`failed-${run.name}`);
      await fixture.reset();
      throw error;
    }
  });
}
