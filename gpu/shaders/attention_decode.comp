#version 450
#extension GL_GOOGLE_include_directive : require
#extension GL_EXT_control_flow_attributes : require
// OpAttention for few queries and d up to 256: keys and values are read once for all query
// heads that share them. Workgroup (x, y, b) has part x of the keys, of which there are
// span, and ROWS rows of a key head: row r is query r/group of head r%group of it. With
// parts = 1 it writes T0 and (T4); otherwise it leaves unscaled sums, and for each row the
// greatest score and the sum of exponentials, for attention_merge: [parts, batch, kvHeads,
// rows, d] and then [parts, batch, kvHeads, rows, 2].
layout(local_size_x_id = 0) in;                        // 128
layout(constant_id = 1) const uint ROWS = 4;           // 1, 2, 4 or 8
layout(constant_id = 2) const uint ALIGNED = 0;        // 1: heads begin at multiples of 4 elements, d is one
layout(set = 0, binding = 0, std430) writeonly buffer O { float o[]; };
layout(set = 0, binding = 1, std430) readonly buffer Q { float q[]; };
layout(set = 0, binding = 2, std430) readonly buffer K { float k[]; };
layout(set = 0, binding = 2, std430) readonly buffer K4 { vec4 k4[]; };
layout(set = 0, binding = 3, std430) readonly buffer V { float v[]; };
layout(set = 0, binding = 3, std430) readonly buffer V4 { vec4 v4[]; };
layout(set = 0, binding = 4, std430) writeonly buffer L { float l[]; };
layout(set = 1, binding = 0, std140) uniform P {
	uint oo, qo, ko, vo, lo;
	uint ob, ot, oh, qb, qt, qh, kb, kt, kh, vb, vt, vh;   // steps by sequence, token, head
	uint lb, lh, lt;
	uint rows, group, past, causal, window, keys, d, stats;
	uint batch, kvHeads, parts, span;
	float scale;
} p;

const uint SIZE = 128, LANES = 4, TEAMS = SIZE / LANES;    // invocations; those that have one key together
const uint KEYS = 4;                                   // keys that a team has at a time
const uint SPAN = 256;                                 // the largest span
const uint TEAM = SIZE / ROWS;                         // invocations that reduce one row
const float LOWEST = -3.4028234e38;

shared vec4 queries[ROWS * 64];
shared float score[SPAN * ROWS];                       // [key][row]
shared float part[LANES * TEAMS * ROWS];
shared float reduced[SIZE];
shared vec4 sums[SIZE];
vec4 acc[ROWS];

vec4 key4(uint at, uint c) {
	if (ALIGNED != 0)
		return k4[(at + c) / 4];
	return vec4(k[at + c], c + 1 < p.d ? k[at + c + 1] : 0, c + 2 < p.d ? k[at + c + 2] : 0, c + 3 < p.d ? k[at + c + 3] : 0);
}

vec4 value4(uint at, uint c) {
	if (ALIGNED != 0)
		return v4[(at + c) / 4];
	return vec4(v[at + c], c + 1 < p.d ? v[at + c + 1] : 0, c + 2 < p.d ? v[at + c + 2] : 0, c + 3 < p.d ? v[at + c + 3] : 0);
}

void main() {
	uint tid = gl_LocalInvocationIndex, b = gl_WorkGroupID.z;
	uint kv = gl_WorkGroupID.y % p.kvHeads, r0 = gl_WorkGroupID.y / p.kvHeads * ROWS;
	uint first = min(gl_WorkGroupID.x * p.span, p.keys), n = min(p.span, p.keys - first);
	for (uint i = tid; i < ROWS * 64; i += SIZE) {
		uint r = min(r0 + i / 64, p.rows - 1), c = i % 64 * 4;
		uint at = p.qo + b * p.qb + r / p.group * p.qt + (kv * p.group + r % p.group) * p.qh;
		vec4 x = vec4(0);
		[[unroll]] for (uint e = 0; e < 4; e++)
			if (c + e < p.d)
				x[e] = q[at + c + e] * p.scale;
		queries[i] = x;
	}
	barrier();

	// Scores.
	uint lane = tid % LANES, team = tid / LANES;
	uint kAt = p.ko + b * p.kb + first * p.kt + kv * p.kh, vAt = p.vo + b * p.vb + first * p.vt + kv * p.vh;
	for (uint n0 = 0; n0 < n; n0 += TEAMS * KEYS) {
		uint at[KEYS];
		float s[KEYS * ROWS];
		[[unroll]] for (uint j = 0; j < KEYS; j++) {
			at[j] = kAt + min(n0 + j * TEAMS + team, n - 1) * p.kt;
			[[unroll]] for (uint r = 0; r < ROWS; r++)
				s[j * ROWS + r] = 0;
		}
		for (uint c = 4 * lane; c < p.d; c += 4 * LANES) {
			vec4 x[KEYS];
			[[unroll]] for (uint j = 0; j < KEYS; j++)
				x[j] = key4(at[j], c);
			[[unroll]] for (uint r = 0; r < ROWS; r++) {
				vec4 y = queries[r * 64 + c / 4];
				[[unroll]] for (uint j = 0; j < KEYS; j++)
					s[j * ROWS + r] += dot(x[j], y);
			}
		}
		[[unroll]] for (uint j = 0; j < KEYS; j++) {
			barrier();
			[[unroll]] for (uint r = 0; r < ROWS; r++)
				part[(lane * TEAMS + team) * ROWS + r] = s[j * ROWS + r];
			barrier();
			for (uint i = tid; i < TEAMS * ROWS; i += SIZE) {
				uint at = (n0 + j * TEAMS) * ROWS + i;
				if (at < SPAN * ROWS)
					score[at] = part[i] + part[i + TEAMS * ROWS] + part[i + 2 * TEAMS * ROWS] + part[i + 3 * TEAMS * ROWS];
			}
		}
	}
	barrier();

	// Their softmax, not yet divided.
	uint row = tid / TEAM;
	uint sees = p.past + p.causal * ((r0 + row) / p.group) + 1, hides = sees - min(sees, p.window);
	sees = min(max(sees, first) - first, n);
	hides = min(max(hides, first) - first, n);         // the keys before these are outside the window
	float top = LOWEST, total = 0;
	for (uint i = hides + tid % TEAM; i < sees; i += TEAM)
		top = max(top, score[i * ROWS + row]);
	reduced[tid] = top;
	for (uint step = TEAM / 2; step > 0; step /= 2) {
		barrier();
		if (tid % TEAM < step)
			reduced[tid] = max(reduced[tid], reduced[tid + step]);
	}
	barrier();
	top = reduced[row * TEAM];
	for (uint i = tid % TEAM; i < n; i += TEAM) {
		float x = i >= hides && i < sees ? exp(score[i * ROWS + row] - top) : 0;
		score[i * ROWS + row] = x;
		total += x;
	}
	barrier();
	reduced[tid] = total;
	for (uint step = TEAM / 2; step > 0; step /= 2) {
		barrier();
		if (tid % TEAM < step)
			reduced[tid] += reduced[tid + step];
	}
	barrier();
	uint lines = p.batch * p.kvHeads * p.rows, line = (b * p.kvHeads + kv) * p.rows + r0;
	if (tid % TEAM == 0 && r0 + row < p.rows) {
		total = reduced[tid];
		if (p.parts > 1) {
			uint at = p.oo + p.parts * lines * p.d + 2 * (gl_WorkGroupID.x * lines + line + row);
			o[at] = top;
			o[at + 1] = total;
		} else if (p.stats != 0) {
			uint t = (r0 + row) / p.group, h = kv * p.group + (r0 + row) % p.group;
			l[p.lo + b * p.lb + h * p.lh + t * p.lt] = top + log(total);
		}
	}

	// Values: an invocation has 4 columns, and with others of these columns every so many keys.
	uint columns = (p.d + 3) / 4, teams = SIZE / columns, c = 4 * (tid % columns);
	[[unroll]] for (uint r = 0; r < ROWS; r++)
		acc[r] = vec4(0);
	if (tid < teams * columns)
		for (uint i = tid / columns; i < n; i += 4 * teams) {
			vec4 x[4];
			[[unroll]] for (uint j = 0; j < 4; j++)
				x[j] = value4(vAt + min(i + j * teams, n - 1) * p.vt, c);
			[[unroll]] for (uint j = 0; j < 4; j++)
				if (i + j * teams < n)
					[[unroll]] for (uint r = 0; r < ROWS; r++)
						acc[r] += score[(i + j * teams) * ROWS + r] * x[j];
		}
	[[unroll]] for (uint r = 0; r < ROWS; r++) {
		barrier();
		sums[tid] = acc[r];
		barrier();
		if (tid < columns && r0 + r < p.rows) {
			vec4 x = vec4(0);
			for (uint i = 0; i < teams; i++)
				x += sums[i * columns + tid];
			uint at = p.oo + (gl_WorkGroupID.x * lines + line + r) * p.d;
			if (p.parts == 1) {
				x /= reduced[r * TEAM];
				at = p.oo + b * p.ob + (r0 + r) / p.group * p.ot + (kv * p.group + (r0 + r) % p.group) * p.oh;
			}
			[[unroll]] for (uint e = 0; e < 4; e++)
				if (c + e < p.d)
					o[at + c + e] = x[e];
		}
	}
}
