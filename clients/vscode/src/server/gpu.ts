/** Whether this machine has an NVIDIA GPU's driver, so that the engine should come with torch. */

import { existsSync } from "node:fs";
import * as path from "node:path";

const LINUX = ["/proc/driver/nvidia/version", "/dev/nvidiactl", "/usr/lib/wsl/lib/libcuda.so.1"];

export function hasGpu(
  platform: NodeJS.Platform = process.platform,
  exists: (file: string) => boolean = existsSync,
): boolean {
  if (platform === "win32") {
    const windows = process.env["SystemRoot"] ?? "C:\\Windows";
    return exists(path.win32.join(windows, "System32", "nvcuda.dll"));
  }
  return LINUX.some(exists);
}
