#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
// OpAttentionBackward, the gradients of keys and values: (T1+) = dSᵀ Q and (T2+) = Pᵀ T3,
// summed over the queries of all heads that share a key head, with P and dS as in
// attention_queries. Workgroup (x, kv, z) has block x of the keys, those that no query sees
// included, and the columns of slice z%slices of sequence z/slices.
layout(set = 0, binding = 0, std430) buffer DK { float dk[]; };
layout(set = 0, binding = 1, std430) buffer DV { float dv[]; };
layout(set = 0, binding = 2, std430) readonly buffer Q { float q[]; };
layout(set = 0, binding = 3, std430) readonly buffer K { float k[]; };
layout(set = 0, binding = 4, std430) readonly buffer V { float v[]; };
layout(set = 0, binding = 5, std430) readonly buffer G { float g[]; };
layout(set = 0, binding = 6, std430) readonly buffer L { float l[]; };
layout(set = 0, binding = 7, std430) readonly buffer D { float delta[]; };
layout(set = 1, binding = 0, std140) uniform P {
	uint dko, dvo, qo, ko, vo, go, lo, deltao;
	uint dkb, dkt, dkh, dvb, dvt, dvh, qb, qt, qh, kb, kt, kh, vb, vt, vh, gb, gt, gh; // steps by sequence, token, head
	uint lb, lh, lt, deltab, deltah, deltat;
	uint rows, group, past, causal, window, keys, d, slices, all;  // all keys, of which queries see the first keys
	uint wantK, addK, wantV, addV;
	float scale;
} p;
#include "attention_blocks.glsl"

shared uint qAt[BLOCK], gAt[BLOCK], sees[BLOCK];       // of the rows; how many keys they see
shared vec2 stats[BLOCK];                              // log-sum-exp, D
uint kAt, vAt, from;                                   // the head's keys and values; the block's first key
vec4 s[4], ds[4];
vec2 accK[4 * PAIRS], accV[4 * PAIRS];

float queryAt(uint r, uint c) { return q[qAt[r] + c]; }
float queryLine(uint r, uint c) { return c < p.d ? queryAt(r, c) : 0; }
float gradAt(uint r, uint c) { return g[gAt[r] + c]; }
float gradLine(uint r, uint c) { return c < p.d ? gradAt(r, c) : 0; }
float keyAt(uint n, uint c) { return k[kAt + min(from + n, p.keys - 1) * p.kt + c]; }
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
#define WEIGH weighQueries
#define SUM accK
#define FROM queryLine
#include "attention_weigh.glsl"
#define WEIGH weighGrads
#define SUM accV
#define FROM gradLine
#include "attention_weigh.glsl"

void main() {
	uint b = gl_WorkGroupID.z / p.slices, kv = gl_WorkGroupID.y;
	uint column = gl_WorkGroupID.z % p.slices * 2 * SIDE * PAIRS;
	from = gl_WorkGroupID.x * BLOCK;
	kAt = p.ko + b * p.kb + kv * p.kh;
	vAt = p.vo + b * p.vb + kv * p.vh;
	[[unroll]] for (uint i = 0; i < 4 * PAIRS; i++) {
		accK[i] = vec2(0);
		accV[i] = vec2(0);
	}
	// The first row that sees a key of the block is that of the token that is the first key, the
	// last that of the token for which the last key is the first of its window. Without a mask
	// all rows see all keys but the spare ones.
	uint begin = 0, end = from < p.keys ? p.rows : 0;
	if (p.causal != 0) {
		begin = (max(from, p.past) - p.past) * p.group;
		end = min((max(from + BLOCK - 1 + p.window, p.past) - p.past) * p.group, p.rows);
	}
	for (uint r0 = begin; r0 < end; r0 += BLOCK) {
		if (tid < BLOCK) {
			uint r = min(r0 + tid, p.rows - 1), t = r / p.group, h = kv * p.group + r % p.group;
			qAt[tid] = p.qo + b * p.qb + t * p.qt + h * p.qh;
			gAt[tid] = p.go + b * p.gb + t * p.gt + h * p.gh;
			sees[tid] = r0 + tid < p.rows ? seenBy(t) : 0;
			stats[tid] = vec2(l[p.lo + b * p.lb + h * p.lh + t * p.lt], p.wantK != 0 ? delta[p.deltao + b * p.deltab + h * p.deltah + t * p.deltat] : 0);
		}
		scores(p.d);
		if (p.wantK != 0)
			gradScores(p.d);
		[[unroll]] for (uint i = 0; i < 4; i++) {
			uint n = sees[4 * ty + i];
			vec2 of = stats[4 * ty + i];
			[[unroll]] for (uint j = 0; j < 4; j++) {
				s[i][j] = seen(from + 4 * tx + j, n) ? exp(p.scale * s[i][j] - of.x) : 0;
				ds[i][j] = seen(from + 4 * tx + j, n) ? p.scale * s[i][j] * (ds[i][j] - of.y) : 0;
			}
		}
		uint count = min(BLOCK, end - r0);
		if (p.wantV != 0) {
			barrier();
			[[unroll]] for (uint i = 0; i < 4; i++)
				tile[(4 * ty + i) * LINE + tx] = s[i];
			weighGrads(count, column);
		}
		if (p.wantK != 0) {
			barrier();
			[[unroll]] for (uint i = 0; i < 4; i++)
				tile[(4 * ty + i) * LINE + tx] = ds[i];
			weighQueries(count, column);
		}
	}
	[[unroll]] for (uint i = 0; i < 4; i++) {
		uint key = from + 4 * ty + i;
		if (key >= p.all)
			break;
		uint ka = p.dko + b * p.dkb + key * p.dkt + kv * p.dkh, va = p.dvo + b * p.dvb + key * p.dvt + kv * p.dvh;
		[[unroll]] for (uint j = 0; j < 2 * PAIRS; j++) {
			uint c = column + SIDE * j + tx;
			if (c >= p.d)
				break;
			if (p.wantK != 0)
				dk[ka + c] = accK[i * PAIRS + j / 2][j % 2] + (p.addK != 0 ? dk[ka + c] : 0);
			if (p.wantV != 0)
				dv[va + c] = accV[i * PAIRS + j / 2][j % 2] + (p.addV != 0 ? dv[va + c] : 0);
		}
	}
}
