import { fileURLToPath } from "node:url";

export const project_dir = fileURLToPath(new URL("../../../", import.meta.url));
export const site_dir = fileURLToPath(new URL("../../../plugins/demo/site/", import.meta.url));
export const shots_dir = fileURLToPath(new URL("../shots/", import.meta.url));
