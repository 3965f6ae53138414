import { expect, test } from "vitest";

import { findServer, privatePython, type Surroundings } from "../src/server/find";

function surroundings(programs: string[], more: Partial<Surroundings> = {}): Surroundings {
  return {
    serverPath: null,
    python: null,
    activePython: undefined,
    privateEnvironment: "/storage/environment-0.1.0",
    home: "/home/ada",
    pathVariable: "/usr/local/bin:/usr/bin",
    isWindows: false,
    hasWheels: true,
    isProgram: (file) => programs.includes(file),
    ...more,
  };
}

const EVERYWHERE = [
  "/opt/midfill",
  "/opt/python/bin/midfill",
  "/venv/bin/midfill",
  "/usr/bin/midfill",
  "/storage/environment-0.1.0/bin/midfill",
];

test.each([
  [{ serverPath: "/opt/midfill", python: "/opt/python/bin/python" }, "/opt/midfill", "setting"],
  [
    { python: "/opt/python/bin/python3", activePython: "/venv/bin/python" },
    "/opt/python/bin/midfill",
    "python setting",
  ],
  [{ activePython: "/venv/bin/python" }, "/venv/bin/midfill", "python extension"],
  [{}, "/usr/bin/midfill", "path"],
  [{ pathVariable: "" }, "/storage/environment-0.1.0/bin/midfill", "private"],
])("in order: %o", (more, program, origin) => {
  const found = findServer(surroundings(EVERYWHERE, more));
  expect(found).toEqual({ kind: "found", program, origin });
});

test("a home folder's tilde is read", () => {
  const found = findServer(surroundings(["/home/ada/midfill"], { serverPath: "~/midfill" }));
  expect(found).toMatchObject({ program: "/home/ada/midfill" });
});

test.each([
  [{ serverPath: "/gone/midfill" }, "midfill.server.path"],
  [{ serverPath: "bin/midfill" }, "not an absolute path"],
  [{ python: "/gone/python" }, "midfill.server.python"],
])("a wrong setting is told, not passed over: %o", (more, told) => {
  const found = findServer(surroundings(EVERYWHERE, more));
  expect(found).toMatchObject({ kind: "missing", canInstall: false });
  expect(found.kind === "missing" && found.reason).toContain(told);
});

test("nothing is looked for in folders that may be the workspace's", () => {
  const found = findServer(surroundings(["./midfill", "midfill"], { pathVariable: ".::bin" }));
  expect(found).toMatchObject({ kind: "missing", canInstall: true });
});

test("a build without wheels offers no installation: it could only fail", () => {
  const found = findServer(surroundings([], { hasWheels: false }));
  expect(found).toMatchObject({ kind: "missing", canInstall: false });
  expect(found.kind === "missing" && found.reason).toContain("set midfill.server.path");
});

test("on Windows", () => {
  const found = findServer(
    surroundings(["C:\\venv\\Scripts\\midfill.exe", "C:\\py\\Scripts\\midfill.exe"], {
      isWindows: true,
      python: "C:\\py\\python.exe",
    }),
  );
  expect(found).toMatchObject({ program: "C:\\py\\Scripts\\midfill.exe" });
  expect(privatePython("C:\\venv", true)).toBe("C:\\venv\\Scripts\\python.exe");
});
