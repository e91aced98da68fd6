#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
// OpAttentionBackward, the gradient of the queries: T0+ = dS K, where P = exp(scale Q Kᵀ -
// T8) and dS = scale * P * (T3 Vᵀ - D), both computed again by blocks (Dao et al. 2022,
// appendix B). Workgroups as in attention_forward.
layout(set = 0, binding = 0, std430) buffer O { float dq[]; };
layout(set = 0, binding = 1, std430) readonly buffer Q { float q[]; };
layout(set = 0, binding = 2, std430) readonly buffer K { float k[]; };
layout(set = 0, binding = 3, std430) readonly buffer V { float v[]; };
layout(set = 0, binding = 4, std430) readonly buffer G { float g[]; };
layout(set = 0, binding = 5, std430) readonly buffer L { float l[]; };
layout(set = 0, binding = 6, std430) readonly buffer D { float delta[]; };
layout(set = 1, binding = 0, std140) uniform P {
	uint dqo, qo, ko, vo, go, lo, deltao;
	uint dqb, dqt, dqh, qb, qt, qh, kb, kt, kh, vb, vt, vh, gb, gt, gh; // steps by sequence, token, head
	uint lb, lh, lt, deltab, deltah, deltat;
	uint rows, group, past, causal, window, keys, d, slices, add;
	float scale;
} p;
#include "attention_blocks.glsl"

shared uint qAt[BLOCK], gAt[BLOCK];
uint kAt, vAt, from;                                   // the head's keys and values; the block's first key
vec4 s[4], ds[4];
vec2 acc[4 * PAIRS];

float queryAt(uint r, uint c) { return q[qAt[r] + c]; }
float gradAt(uint r, uint c) { return g[gAt[r] + c]; }
float keyAt(uint n, uint c) { return k[kAt + min(from + n, p.keys - 1) * p.kt + c]; }
float keyLine(uint n, uint c) { return c < p.d ? keyAt(n, c) : 0; }
float valueAt(uint n, uint c) { return v[vAt + min(from + n, p.keys - 1) * p.vt + c]; }

#define PRODUCT scores
#define SUM s
#define LEFT queryAt
#define RIGHT keyAt
#include "attention_product.glsl"
#define PRODUCT gradScores
#define SUM ds
#define LEFT gradAt
#define RIGHT valueAt
#include "attention_product.glsl"
#define WEIGH weighKeys
#define SUM acc
#define FROM keyLine
#include "attention_weigh.glsl"

void main() {
	uint b = gl_WorkGroupID.z / p.slices, kv = gl_WorkGroupID.y;
	uint column = gl_WorkGroupID.z % p.slices * 2 * SIDE * PAIRS;
	uint r0 = (gl_NumWorkGroups.x - 1 - gl_WorkGroupID.x) * BLOCK;
	if (tid < BLOCK) {
		uint r = min(r0 + tid, p.rows - 1), t = r / p.group, h = kv * p.group + r % p.group;
		qAt[tid] = p.qo + b * p.qb + t * p.qt + h * p.qh;
		gAt[tid] = p.go + b * p.gb + t * p.gt + h * p.gh;
	}
	kAt = p.ko + b * p.kb + kv * p.kh;
	vAt = p.vo + b * p.vb + kv * p.vh;
	uint sees[4];
	vec4 lse, mean;
	[[unroll]] for (uint i = 0; i < 4; i++) {
		uint r = min(r0 + 4 * ty + i, p.rows - 1), t = r / p.group, h = kv * p.group + r % p.group;
		sees[i] = seenBy(t);
		lse[i] = l[p.lo + b * p.lb + h * p.lh + t * p.lt];
		mean[i] = delta[p.deltao + b * p.deltab + h * p.deltah + t * p.deltat];
	}
	[[unroll]] for (uint i = 0; i < 4 * PAIRS; i++)
		acc[i] = vec2(0);
	uint end = seenBy(min(r0 + BLOCK - 1, p.rows - 1) / p.group);
	for (from = firstSeen(seenBy(r0 / p.group)); from < end; from += BLOCK) {
		scores(p.d);
		gradScores(p.d);
		[[unroll]] for (uint i = 0; i < 4; i++)
			[[unroll]] for (uint j = 0; j < 4; j++)
				ds[i][j] = seen(from + 4 * tx + j, sees[i]) ? p.scale * exp(p.scale * s[i][j] - lse[i]) * (ds[i][j] - mean[i]) : 0;
		barrier();
		[[unroll]] for (uint j = 0; j < 4; j++)
			tile[(4 * tx + j) * LINE + ty] = vec4(ds[0][j], ds[1][j], ds[2][j], ds[3][j]);
		weighKeys(min(BLOCK, end - from), column);
	}
	[[unroll]] for (uint i = 0; i < 4; i++) {
		uint r = r0 + 4 * ty + i;
		if (r >= p.rows)
			break;
		uint at = p.dqo + b * p.dqb + r / p.group * p.dqt + (kv * p.group + r % p.group) * p.dqh;
		[[unroll]] for (uint j = 0; j < 2 * PAIRS; j++) {
			uint c = column + SIDE * j + tx;
			if (c < p.d)
				dq[at + c] = acc[i * PAIRS + j / 2][j % 2] + (p.add != 0 ? dq[at + c] : 0);
		}
	}
}
