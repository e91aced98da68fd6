// Q2_K, Q3_K and Q6_K: superblocks of 256 in groups of 16, shared by 16 invocations.
// Chunk t of a superblock has elements 4*(t%8) on of each of the four 32 of its half t/8:
// those of quad i belong to group 8*(t/8) + 2*i + t%8/4.
#define CHUNKS 16
#define QUADS 4

uint place(uint c, uint i) { return c / 8 * 128 + 32 * i + 4 * (c & 7); }
uint chunkOf(uint e) { return e / 128 * 8 + (e / 4 & 7); }
uint quadOf(uint e) { return e / 32 & 3; }

#if defined(Q2_K)

struct Chunk { uint v, s0, s1, d; }; // s0 and s1 from the group's scale and minimum on

Chunk chunk(uint r, uint c) {
	uint block = (p.wo + r * p.pitch + c / 16) * 21, h = c / 8 & 1, t = c & 7, g = t / 4 * 8;
	return Chunk(w[block + 4 + 8 * h + t], w[block + 2 * h] >> g, w[block + 1 + 2 * h] >> g, w[block + 20]);
}

vec4 quad(Chunk q, uint i) {
	uint s = (i < 2 ? q.s0 : q.s1) >> (16 * (i & 1));
	vec2 d = unpackHalf2x16(q.d) * vec2(s & 15u, s >> 4 & 15u);
	return bytes(q.v >> (2 * i) & 0x03030303u) * d.x - d.y;
}

#elif defined(Q3_K)
#define SCALED

// Scales have their low four bits in s0 and s1, the upper two in s2, each from where the
// chunk's begin.
struct Chunk { uint v, upper, s0, s1, s2; float d; };

Chunk chunk(uint r, uint c) {
	uint block = (p.wo + r * p.pitch + c / 16) * 28, h = c / 8 & 1, t = c & 7, g = t / 4 * 8 + 4 * h;
	uvec4 tail = w4[block / 4 + 6];
	return Chunk(w[block + 8 + 8 * h + t], w[block + t] >> (4 * h), tail.x >> g, tail.y >> g, tail.z >> g,
		unpackHalf2x16(tail.w).x * 0.03125);
}

vec4 quad(Chunk q, uint i) {
	uint v = q.v >> (2 * i) & 0x03030303u | (q.upper >> i & 0x01010101u) << 2;
	return signedBytes(v << 5 ^ 0x80808080u);
}

float factor(Chunk q, uint i) {
	uint low = (i < 2 ? q.s0 : q.s1) >> (16 * (i & 1)) & 15u, high = q.s2 >> (16 * (i & 1) + (i & 2)) & 3u;
	return q.d * (float(low | high << 4) - 32);
}

#else // Q6_K
#define SCALED

struct Chunk { uint a, b, upper, s0, s1; float d; };

Chunk chunk(uint r, uint c) {
	uint block = (p.wo + r * p.pitch + c / 16) * 53, h = c / 8 & 1, t = c & 7, g = t / 4 * 8;
	return Chunk(w[block + 16 * h + t], w[block + 16 * h + 8 + t], w[block + 32 + 8 * h + t],
		w[block + 48 + 2 * h] >> g, w[block + 49 + 2 * h] >> g, unpackHalf2x16(w[block + 52]).x * 0.25);
}

vec4 quad(Chunk q, uint i) {
	uint low = ((i & 1) == 0 ? q.a : q.b) >> (i / 2 * 4) & 0x0f0f0f0fu;
	return signedBytes(((low | (q.upper >> (2 * i) & 0x03030303u) << 4) << 2) ^ 0x80808080u);
}

float factor(Chunk q, uint i) {
	return q.d * float(bitfieldExtract(int(i < 2 ? q.s0 : q.s1), int(16 * (i & 1)), 8));
}

#endif
