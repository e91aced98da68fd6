// Blocks of 32. Codes of fewer than 8 bits are a word of four bytes to a chunk: low
// halves are the elements from 4*t on, high halves those from 16+4*t on. Codes with
// a zero point are shifted to the upper end of signed bytes, and the scale divided
// by as much, which saves a subtraction.

#ifdef Q8_0

#define CHUNKS 2
#define QUADS 4
#define SCALED

struct Chunk { uvec4 v; float d; };

Chunk chunk(uint r, uint c) {
	uint block = r * p.pitch + c / 2;
	return Chunk(w4[(p.wo + block) * 2 + (c & 1)], scaleOf(block));
}

uint place(uint c, uint i) { return 16 * c + 4 * i; }
uint chunkOf(uint e) { return e / 16; }
uint quadOf(uint e) { return e / 4 & 3; }

vec4 quad(Chunk q, uint i) {
	uvec2 v = i < 2 ? q.v.xy : q.v.zw;
	return signedBytes((i & 1) == 0 ? v.x : v.y);
}

float factor(Chunk q, uint i) { return q.d; }

#else

#define CHUNKS 4
#define QUADS 2

uint place(uint c, uint i) { return c / 4 * 32 + 16 * i + 4 * (c & 3); }
uint chunkOf(uint e) { return e / 32 * 4 + (e / 4 & 3); }
uint quadOf(uint e) { return e / 16 & 1; }

#if defined(Q4_0)
#define SCALED

struct Chunk { uint v; float d; };

Chunk chunk(uint r, uint c) {
	uint block = r * p.pitch + c / 4;
	return Chunk(w[(p.wo + block) * 4 + (c & 3)], scaleOf(block) * 0.0625);
}

vec4 quad(Chunk q, uint i) { return signedBytes((q.v << (4 - 4 * i) & 0xf0f0f0f0u) ^ 0x80808080u); }

float factor(Chunk q, uint i) { return q.d; }

#elif defined(IQ4_NL)
#define SCALED

struct Chunk { uint v; float d; };

Chunk chunk(uint r, uint c) {
	uint block = r * p.pitch + c / 4;
	return Chunk(w[(p.wo + block) * 4 + (c & 3)], scaleOf(block));
}

vec4 quad(Chunk q, uint i) { return values(q.v >> (4 * i) & 0x0f0f0f0fu); }

float factor(Chunk q, uint i) { return q.d; }

#elif defined(Q4_1)

struct Chunk { uint v, d; };

Chunk chunk(uint r, uint c) {
	uint block = (p.wo + r * p.pitch + c / 4) * 5;
	return Chunk(w[block + 1 + (c & 3)], w[block]);
}

vec4 quad(Chunk q, uint i) {
	vec2 d = unpackHalf2x16(q.d);
	return bytes(q.v >> (4 * i) & 0x0f0f0f0fu) * d.x + d.y;
}

#else // Q5_0, Q5_1

struct Chunk { uint v, d, fifth; }; // fifth from this chunk's first bit on

Chunk chunk(uint r, uint c) {
	uint block = (p.wo + r * p.pitch + c / 4) * 3;
	uvec2 head = w2[block];
	return Chunk(w[2 * block + 2 + (c & 3)], head.x, head.y >> (4 * (c & 3)));
}

// codes returns four codes of five bits in a word. The product brings bit j of the
// four to bit 8*j, among others.
uint codes(Chunk q, uint i) {
	uint fifth = (q.fifth >> (16 * i) & 15u) * 0x00204081u & 0x01010101u;
	return q.v >> (4 * i) & 0x0f0f0f0fu | fifth << 4;
}

#ifdef Q5_0
#define SCALED
vec4 quad(Chunk q, uint i) { return signedBytes(codes(q, i) << 3 ^ 0x80808080u); }

float factor(Chunk q, uint i) { return unpackHalf2x16(q.d).x * 0.125; }
#else
vec4 quad(Chunk q, uint i) {
	vec2 d = unpackHalf2x16(q.d);
	return bytes(codes(q, i)) * d.x + d.y;
}
#endif

#endif
#endif
