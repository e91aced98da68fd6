#version 450
// OpAttention, second step where attention_decode had the keys in parts: T0 and (T4) from
// the parts' sums, greatest scores and sums of exponentials. A workgroup has one row.
layout(local_size_x_id = 0) in;
layout(set = 0, binding = 0, std430) writeonly buffer O { float o[]; };
layout(set = 0, binding = 1, std430) readonly buffer S { float s[]; };
layout(set = 0, binding = 2, std430) writeonly buffer L { float l[]; };
layout(set = 1, binding = 0, std140) uniform P {
	uint oo, so, lo;
	uint ob, ot, oh, lb, lh, lt;                           // steps by sequence, token, head
	uint lines, rows, group, kvHeads, d, parts, stats;     // lines: batch * kvHeads * rows
} p;

void main() {
	uint at = p.so + p.parts * p.lines * p.d;
	for (uint line = gl_WorkGroupID.x; line < p.lines; line += gl_NumWorkGroups.x) {
		uint r = line % p.rows, kv = line / p.rows % p.kvHeads, b = line / p.rows / p.kvHeads;
		uint t = r / p.group, h = kv * p.group + r % p.group;
		float top = s[at + 2 * line], total = 0;           // the lowest number where a part has no key that is seen
		for (uint i = 1; i < p.parts; i++)
			top = max(top, s[at + 2 * (i * p.lines + line)]);
		for (uint i = 0; i < p.parts; i++)
			total += s[at + 2 * (i * p.lines + line) + 1] * exp(s[at + 2 * (i * p.lines + line)] - top);
		for (uint c = gl_LocalInvocationIndex; c < p.d; c += gl_WorkGroupSize.x) {
			float sum = 0;
			for (uint i = 0; i < p.parts; i++)
				sum += s[p.so + (i * p.lines + line) * p.d + c] * exp(s[at + 2 * (i * p.lines + line)] - top);
			o[p.oo + b * p.ob + t * p.ot + h * p.oh + c] = sum / total;
		}
		if (p.stats != 0 && gl_LocalInvocationIndex == 0)
			l[p.lo + b * p.lb + h * p.lh + t * p.lt] = top + log(total);
	}
}
