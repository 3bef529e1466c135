// In the place of stb-vorbis, which is WebAssembly: the policy of the studio
// forbids it. What is compressed the page decodes before it comes here.

export const StbVorbis = {
  ready: Promise.resolve(),
  decode() { throw new Error('samples in Vorbis are decoded by the page'); },
};
