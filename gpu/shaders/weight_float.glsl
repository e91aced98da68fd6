// F16 and BF16: a chunk is 8 elements in 16 aligned bytes, where cols and the
// offset are multiples of 8. element reads any other weight.
#define CHUNKS 1 / 8
#define QUADS 2
#define ANY_COLUMNS

struct Chunk { uvec4 v; };

Chunk chunk(uint r, uint c) { return Chunk(w4[(p.wo + r * p.pitch) / 8 + c]); }

uint place(uint c, uint i) { return 8 * c + 4 * i; }
uint chunkOf(uint e) { return e / 8; }
uint quadOf(uint e) { return e / 4 & 1; }

vec2 pair(uint v) {
#ifdef F16
	return unpackHalf2x16(v);
#else
	return vec2(uintBitsToFloat(v << 16), uintBitsToFloat(v & 0xffff0000u));
#endif
}

vec4 quad(Chunk q, uint i) {
	uvec2 v = i == 0 ? q.v.xy : q.v.zw;
	return vec4(pair(v.x), pair(v.y));
}

float element(uint r, uint e) {
	uint i = p.wo + r * p.pitch + e;
	return pair(w[i >> 1] >> (16 * (i & 1))).x;
}
