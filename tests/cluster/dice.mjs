// Throws that a seed repeats: dice(below) is 0 to below - 1. xorshift of 32 bits, never 0.
export function make_dice(seed) {
  let state = (seed * 2654435761) >>> 0 || 1;
  return (below) => {
    state ^= state << 13;
    state >>>= 0;
    state ^= state >>> 17;
    state ^= state << 5;
    state >>>= 0;
    return state % below;
  };
}
