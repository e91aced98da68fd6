#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
// OpAttention: T0 from T1 = queries, T2 = keys, T3 = values, (T4), by blocks of queries
// and keys, with the softmax put together from those of the blocks of keys (Milakov &
// Gimelshein 2018, Dao et al. 2022). Workgroup (x, kv, z) has a block of rows, the longest
// first, of key head kv, and the columns of slice z%slices of sequence z/slices.
layout(set = 0, binding = 0, std430) writeonly buffer O { float o[]; };
layout(set = 0, binding = 1, std430) readonly buffer Q { float q[]; };
layout(set = 0, binding = 2, std430) readonly buffer K { float k[]; };
layout(set = 0, binding = 3, std430) readonly buffer V { float v[]; };
layout(set = 0, binding = 4, std430) writeonly buffer L { float l[]; };
layout(set = 1, binding = 0, std140) uniform P {
	uint oo, qo, ko, vo, lo;
	uint ob, ot, oh, qb, qt, qh, kb, kt, kh, vb, vt, vh;   // steps by sequence, token, head
	uint lb, lh, lt;
	uint rows, group, past, causal, window, keys, d, slices, stats;
	float scale;
} p;
#include "attention_blocks.glsl"

shared uint qAt[BLOCK];
uint kAt, vAt, from;                                   // the head's keys and values; the block's first key
vec4 s[4];
vec2 acc[4 * PAIRS];

float queryAt(uint r, uint c) { return q[qAt[r] + c]; }
float keyAt(uint n, uint c) { return k[kAt + min(from + n, p.keys - 1) * p.kt + c]; }
float valueAt(uint n, uint c) { return c < p.d ? v[vAt + min(from + n, p.keys - 1) * p.vt + c] : 0; }

#define PRODUCT scores
#define SUM s
#define LEFT queryAt
#define RIGHT keyAt
#include "attention_product.glsl"
#define WEIGH weighValues
#define SUM acc
#define FROM valueAt
#include "attention_weigh.glsl"

void main() {
	uint b = gl_WorkGroupID.z / p.slices, kv = gl_WorkGroupID.y;
	uint column = gl_WorkGroupID.z % p.slices * 2 * SIDE * PAIRS;
	uint r0 = (gl_NumWorkGroups.x - 1 - gl_WorkGroupID.x) * BLOCK;
	if (tid < BLOCK) {
		uint r = min(r0 + tid, p.rows - 1);
		qAt[tid] = p.qo + b * p.qb + r / p.group * p.qt + (kv * p.group + r % p.group) * p.qh;
	}
	kAt = p.ko + b * p.kb + kv * p.kh;
	vAt = p.vo + b * p.vb + kv * p.vh;
	uint sees[4];
	[[unroll]] for (uint i = 0; i < 4; i++)
		sees[i] = seenBy((r0 + 4 * ty + i) / p.group);
	[[unroll]] for (uint i = 0; i < 4 * PAIRS; i++)
		acc[i] = vec2(0);
	vec4 top = vec4(LOWEST), total = vec4(0);          // of the rows; total over this invocation's keys
	uint end = seenBy(min(r0 + BLOCK - 1, p.rows - 1) / p.group);
	for (from = firstSeen(seenBy(r0 / p.group)); from < end; from += BLOCK) {
		scores(p.d);
		vec4 high = vec4(LOWEST);
		[[unroll]] for (uint i = 0; i < 4; i++) {
			s[i] *= p.scale;
			[[unroll]] for (uint j = 0; j < 4; j++)
				if (seen(from + 4 * tx + j, sees[i]))
					high[i] = max(high[i], s[i][j]);
		}
		barrier();
		tile[tx * SIDE + ty] = high;
		barrier();
		high = top;
		for (uint n = 0; n < SIDE; n++)
			high = max(high, tile[n * SIDE + ty]);
		vec4 fade = exp(top - high);
		top = high;
		total *= fade;
		[[unroll]] for (uint i = 0; i < 4; i++) {
			[[unroll]] for (uint j = 0; j < 4; j++)
				s[i][j] = seen(from + 4 * tx + j, sees[i]) ? exp(s[i][j] - high[i]) : 0;
			total[i] += s[i].x + s[i].y + s[i].z + s[i].w;
			[[unroll]] for (uint j = 0; j < PAIRS; j++)
				acc[i * PAIRS + j] *= fade[i];
		}
		barrier();
		[[unroll]] for (uint j = 0; j < 4; j++)
			tile[(4 * tx + j) * LINE + ty] = vec4(s[0][j], s[1][j], s[2][j], s[3][j]);
		weighValues(min(BLOCK, end - from), column);
	}
	barrier();
	tile[tx * SIDE + ty] = total;
	barrier();
	total = vec4(0);
	for (uint n = 0; n < SIDE; n++)
		total += tile[n * SIDE + ty];
	[[unroll]] for (uint i = 0; i < 4; i++) {
		uint r = r0 + 4 * ty + i;
		if (r >= p.rows)
			break;
		uint t = r / p.group, h = kv * p.group + r % p.group;
		uint at = p.oo + b * p.ob + t * p.ot + h * p.oh;
		[[unroll]] for (uint j = 0; j < PAIRS; j++) {
			uint c = column + 2 * SIDE * j + tx;
			if (c < p.d)
				o[at + c] = acc[i * PAIRS + j].x / total[i];
			if (c + SIDE < p.d)
				o[at + c + SIDE] = acc[i * PAIRS + j].y / total[i];
		}
		if (p.stats != 0 && tx == 0 && column == 0)
			l[p.lo + b * p.lb + h * p.lh + t * p.lt] = top[i] + log(total[i]);
	}
}
