// Who speaks in this window: kept for the window only, so that two windows are two people, and the same on both pages.
import { language } from "./text.js";

const names = {
  en: ["Magpie", "Persimmon", "Pine", "Moon", "Tiger", "Crane", "Plum", "Maple", "Bamboo", "Heron"],
  ko: ["까치", "감나무", "소나무", "보름달", "호랑이", "두루미", "매화", "단풍", "대나무", "해오라기"],
};

// A browser may forbid it: then it lasts until the next reload.
export const memory = {
  get(key) { try { return sessionStorage.getItem(key); } catch { return null; } },
  set(key, value) { try { sessionStorage.setItem(key, value); } catch { /* as said */ } },
};

// The name that was given here, or else one in the language of now, which is kept from then on.
export function own_name() {
  const all = names[language.now];
  const name = memory.get("name") ?? all[Math.floor(Math.random() * all.length)];
  memory.set("name", name);
  return name;
}
