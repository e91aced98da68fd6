// IQ4_XS: superblocks of 256 in groups of 32, shared by 16 invocations. Chunk t of a
// superblock has bytes 8*(t%2) on of the codes of group t/2: low halves are its elements
// 8*(t%2) on, high halves those 16 later.
#define CHUNKS 16
#define QUADS 4
#define SCALED

struct Chunk { uvec2 v, head; uint group; };

Chunk chunk(uint r, uint c) {
	uint block = (p.wo + r * p.pitch + c / 16) * 17, t = c & 15;
	return Chunk(w2[block + 1 + t], w2[block], t / 2);
}

uint place(uint c, uint i) { return c / 2 * 32 + i / 2 * 16 + 8 * (c & 1) + 4 * (i & 1); }
uint chunkOf(uint e) { return e / 32 * 2 + (e / 8 & 1); }
uint quadOf(uint e) { return (e / 16 & 1) * 2 + (e / 4 & 1); }

vec4 quad(Chunk q, uint i) {
	return values(((i & 1) == 0 ? q.v.x : q.v.y) >> (i / 2 * 4) & 0x0f0f0f0fu);
}

// scaleOfGroup returns the scale of group g by a superblock's first two words: the f16 of
// all groups, the upper two bits of each in 16, the lower four in 32.
float scaleOfGroup(uvec2 head, uint g) {
	uint s = head.y >> (4 * g) & 15u | (head.x >> (16 + 2 * g) & 3u) << 4;
	return unpackHalf2x16(head.x).x * (float(s) - 32);
}

float factor(Chunk q, uint i) { return scaleOfGroup(q.head, q.group); }
