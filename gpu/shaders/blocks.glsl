// Single elements of frozen weights of every type, from their planes as
// gpu/layout.go has them. The source defines TYPE as one of those below and
// WEIGHT as the binding of the first plane; weight(i, o0, o1) is then element i, in row
// order, of the tensor whose planes begin at units o0 and o1.
#define F32 0
#define F16 1
#define BF16 2
#define Q8_0 3
#define Q4_0 4
#define Q4_1 5
#define Q5_0 6
#define Q5_1 7
#define Q4_K 8
#define Q5_K 9
#define Q6_K 10
#define Q2_K 11
#define Q3_K 12
#define IQ4_NL 13
#define IQ4_XS 14

#define TWO_PLANES (TYPE == Q8_0 || TYPE == Q4_0 || TYPE == IQ4_NL)

#if TYPE == F32
layout(set = 0, binding = WEIGHT, std430) readonly buffer Plane0 { float plane0[]; };
#else
layout(set = 0, binding = WEIGHT, std430) readonly buffer Plane0 { uint plane0[]; };
#endif
#if TWO_PLANES
layout(set = 0, binding = WEIGHT + 1, std430) readonly buffer Plane1 { uint plane1[]; };
#endif

// Byte i, 0 to 3, of a word; and word or byte i of a block that begins at a word.
uint byteOf(uint word, uint i) { return bitfieldExtract(word, int(8 * i), 8); }
#if TYPE != F32
uint byteAt(uint block, uint i) { return byteOf(plane0[block + i / 4], i % 4); }
#endif

// The f16 in the low half of a word.
float halfOf(uint word) { return unpackHalf2x16(word).x; }

// sixBits returns scale and minimum of group g, 0 to 7, in the 12 bytes of Q4_K
// and Q5_K that hold them: those of the first four groups are the low six bits
// of the first eight bytes; of the others, the last four bytes have the low
// four bits, and the first eight the upper two.
vec2 sixBits(uint w0, uint w1, uint w2, uint g) {
	const uint a = byteOf(w0, g % 4), b = byteOf(w1, g % 4), c = byteOf(w2, g % 4);
	if (g < 4)
		return vec2(a & 63, b & 63);
	return vec2(c & 15 | a >> 6 << 4, c >> 4 | b >> 6 << 4);
}

#if TYPE == IQ4_NL || TYPE == IQ4_XS
#include "codebook.glsl"
#endif

float weight(uint i, uint o0, uint o1) {
#if TYPE == F32
	return plane0[o0 + i];
#elif TYPE == F16
	i += o0;
	return halfOf(plane0[i / 2] >> 16 * (i % 2));
#elif TYPE == BF16
	i += o0;
	return uintBitsToFloat(plane0[i / 2] >> 16 * (i % 2) << 16);
#elif TWO_PLANES
	const uint b0 = i / 32 + o0, b1 = i / 32 + o1, e = i % 32;
	const float d = halfOf(plane1[b1 / 2] >> 16 * (b1 % 2));
#if TYPE == Q8_0
	return d * bitfieldExtract(int(plane0[8 * b0 + e / 4]), int(8 * (e % 4)), 8);
#elif TYPE == IQ4_NL
	return d * codebookValue(byteAt(4 * b0, e % 16) >> e / 16 * 4 & 15);
#else
	return d * (int(byteAt(4 * b0, e % 16) >> e / 16 * 4 & 15) - 8);
#endif
#elif TYPE == Q4_1
	const uint block = 5 * (i / 32 + o0), e = i % 32;
	const vec2 dm = unpackHalf2x16(plane0[block]);
	return dm.x * (byteAt(block + 1, e % 16) >> e / 16 * 4 & 15) + dm.y;
#elif TYPE == Q5_0 || TYPE == Q5_1
	const uint block = 6 * (i / 32 + o0), e = i % 32;
	const vec2 dm = unpackHalf2x16(plane0[block]);
	const uint q = byteAt(block + 2, e % 16) >> e / 16 * 4 & 15 | (plane0[block + 1] >> e & 1) << 4;
#if TYPE == Q5_0
	return dm.x * (int(q) - 16);
#else
	return dm.x * q + dm.y;
#endif
#elif TYPE == Q4_K || TYPE == Q5_K
	const uint block = (TYPE == Q4_K ? 36 : 44) * (i / 256 + o0), e = i % 256, g = e / 32;
	const vec2 dm = unpackHalf2x16(plane0[block]) * sixBits(plane0[block + 1], plane0[block + 2], plane0[block + 3], g);
	uint q = byteAt(block + (TYPE == Q4_K ? 4 : 12), 32 * (g / 2) + e % 32) >> g % 2 * 4 & 15;
#if TYPE == Q5_K
	q |= (byteAt(block + 4, e % 32) >> g & 1) << 4;
#endif
	return dm.x * q - dm.y;
#elif TYPE == Q2_K
	const uint block = 21 * (i / 256 + o0), e = i % 256, part = e / 128, quarter = e / 32 % 4;
	const uint q = byteAt(block + 4, 32 * part + e % 32) >> 2 * quarter & 3, s = byteAt(block, e / 16);
	const vec2 dm = unpackHalf2x16(plane0[block + 20]) * vec2(s & 15, s >> 4);
	return dm.x * q - dm.y;
#elif TYPE == Q3_K
	// Scales have their low four bits in the first eight bytes, group g+8 above g, and the
	// upper two in the last four, groups g+4, g+8 and g+12 above g.
	const uint block = 28 * (i / 256 + o0), e = i % 256, part = e / 128, quarter = e / 32 % 4, g = e / 16;
	const uint low = byteAt(block + 8, 32 * part + e % 32) >> 2 * quarter & 3, upper = byteAt(block, e % 32) >> e / 32 & 1;
	const uint s = byteAt(block + 24, g % 8) >> g / 8 * 4 & 15 | (byteAt(block + 26, g % 4) >> g / 4 * 2 & 3) << 4;
	return halfOf(plane0[block + 27]) * (int(s) - 32) * (int(low | upper << 2) - 4);
#elif TYPE == IQ4_XS
	const uint block = 34 * (i / 256 + o0), e = i % 256, g = e / 32;
	const uint s = plane0[block + 1] >> 4 * g & 15 | (plane0[block] >> 16 + 2 * g & 3) << 4;
	return halfOf(plane0[block]) * (int(s) - 32) * codebookValue(byteAt(block + 2, 16 * g + e % 16) >> e / 16 % 2 * 4 & 15);
#elif TYPE == Q6_K
	const uint block = 53 * (i / 256 + o0), e = i % 256, part = e / 128, quarter = e / 32 % 4;
	const uint low = byteAt(block, 64 * part + e % 64) >> quarter / 2 * 4 & 15;
	const uint upper = byteAt(block + 32, 32 * part + e % 32) >> 2 * quarter & 3;
	const int scale = bitfieldExtract(int(plane0[block + 48 + e / 64]), int(e / 16 % 4 * 8), 8);
	return halfOf(plane0[block + 52]) * scale * (int(low | upper << 4) - 32);
#endif
}
