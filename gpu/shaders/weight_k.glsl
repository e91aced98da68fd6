// Superblocks of 256, shared by 16 invocations.
#define CHUNKS 16
#define QUADS 4

#ifdef Q6_K
#define SCALED

// Chunk t of a superblock has bytes 4*(t%8) on of its half t/8: elements 4*(t%8) of each
// of the four 32 of the half.
struct Chunk { uint a, b, upper, s0, s1; float d; };

Chunk chunk(uint r, uint c) {
	uint block = (p.wo + r * p.pitch + c / 16) * 53, h = c / 8 & 1, t = c & 7, g = t / 4 * 8;
	return Chunk(w[block + 16 * h + t], w[block + 16 * h + 8 + t], w[block + 32 + 8 * h + t],
		w[block + 48 + 2 * h] >> g, w[block + 49 + 2 * h] >> g, unpackHalf2x16(w[block + 52]).x * 0.25);
}

uint place(uint c, uint i) { return c / 8 * 128 + 32 * i + 4 * (c & 7); }
uint chunkOf(uint e) { return e / 128 * 8 + (e / 4 & 7); }
uint quadOf(uint e) { return e / 32 & 3; }

vec4 quad(Chunk q, uint i) {
	uint low = ((i & 1) == 0 ? q.a : q.b) >> (i / 2 * 4) & 0x0f0f0f0fu;
	return signedBytes(((low | (q.upper >> (2 * i) & 0x03030303u) << 4) << 2) ^ 0x80808080u);
}

float factor(Chunk q, uint i) {
	return q.d * float(bitfieldExtract(int(i < 2 ? q.s0 : q.s1), int(16 * (i & 1)), 8));
}

#else // Q4_K, Q5_K

#ifdef Q5_K
#define WORDS 44
#define CODES 12
#else
#define WORDS 36
#define CODES 4
#endif

// Chunk t of a superblock has bytes 8*(t%4) on of the codes of groups t/4*2 (low
// halves) and t/4*2+1.
struct Chunk {
	uvec2 v;
#ifdef Q5_K
	uvec2 fifth; // from the first group's bit on
#endif
	uvec4 head;
	uint pair;
};

Chunk chunk(uint r, uint c) {
	uint block = (p.wo + r * p.pitch + c / 16) * (WORDS / 2), j = c / 4 & 3, t = c & 3;
	return Chunk(w2[block + CODES / 2 + 4 * j + t],
#ifdef Q5_K
		w2[block + 2 + t] >> (2 * j),
#endif
		w4[block / 2], j);
}

uint place(uint c, uint i) { return c / 4 * 64 + i / 2 * 32 + 8 * (c & 3) + 4 * (i & 1); }
uint chunkOf(uint e) { return e / 64 * 4 + (e / 8 & 3); }
uint quadOf(uint e) { return (e / 32 & 1) * 2 + (e / 4 & 1); }

// scales returns scale and minimum of a chunk's first (i = 0) or second group. Groups
// 4 to 7 have their upper two bits where those of 0 to 3 leave room.
vec2 scales(Chunk q, uint i) {
	uint shift = 16 * (q.pair & 1) + 8 * i;
	uint s = q.head.y >> shift, m = q.head.z >> shift, rest = q.head.w >> shift;
	bool first = q.pair < 2;
	s = first ? s & 63u : rest & 15u | s >> 2 & 48u;
	m = first ? m & 63u : rest >> 4 & 15u | m >> 2 & 48u;
	return unpackHalf2x16(q.head.x) * vec2(s, m);
}

vec4 quad(Chunk q, uint i) {
	uint v = (i & 1) == 0 ? q.v.x : q.v.y;
	v = v >> (i / 2 * 4) & 0x0f0f0f0fu;
#ifdef Q5_K
	uint fifth = (i & 1) == 0 ? q.fifth.x : q.fifth.y;
	v |= (fifth >> (i / 2) & 0x01010101u) << 4;
#endif
	vec2 d = scales(q, i / 2);
	return bytes(v) * d.x - d.y;
}

#endif
