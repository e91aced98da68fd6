// Q4_K and Q5_K: superblocks of 256 in groups of 32, shared by 16 invocations.
#define CHUNKS 16
#define QUADS 4

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
