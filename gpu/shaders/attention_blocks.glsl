// What the shaders of attention over blocks of queries share. A workgroup of SIDE x SIDE
// invocations takes the query heads that share one key head as the rows of one matrix: row
// r is query r/group of head r%group of them, so that a block of BLOCK rows needs the same
// keys, whatever the number of heads, and later rows see no fewer. Invocation (tx, ty) has
// the rows 4*ty to 4*ty+3 and the keys 4*tx to 4*tx+3 of a block in registers.
layout(local_size_x_id = 0) in;                        // SIDE * SIDE
layout(constant_id = 1) const uint SIDE = 16;
layout(constant_id = 2) const uint PAIRS = 4;          // pairs of columns of the result that an invocation sums up
const uint BLOCK = 4 * SIDE;                           // rows, and keys
const uint STEP = 32;                                  // columns that a product takes at a time
const uint LINE = SIDE + 1;                            // vec4s from one line of the tile to the next
const float LOWEST = -3.4028234e38;

shared vec4 tile[2 * STEP * LINE];                     // columns of both factors of a product; then weights [BLOCK][BLOCK]
shared vec2 lines[SIDE * PAIRS * SIDE];                // SIDE rows of what is weighted

// seenBy returns how many keys query t sees, those outside its window included: one more than
// the query before it, or without a mask, where p.causal is 0, as many.
uint seenBy(uint t) { return p.past + p.causal * t + 1; }

// seen reports whether a query that sees the keys up to n, no more than p.window of them,
// sees a key; firstSeen returns the first that it does.
bool seen(uint key, uint n) { return key < n && key + p.window >= n; }
uint firstSeen(uint n) { return n - min(n, p.window); }

#define tid gl_LocalInvocationIndex
#define tx (gl_LocalInvocationIndex % SIDE)
#define ty (gl_LocalInvocationIndex / SIDE)
