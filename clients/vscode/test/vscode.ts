/** Nothing of VS Code: what is tested here without it must not need it. */
export {};
