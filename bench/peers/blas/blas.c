// The other side of bench/peers for products of matrices: OpenBLAS, measured in
// bursts on request, so that bursts of two programs can take turns. One line in, one
// line out:
//
//	start KIND M N K   KIND nn: [M,K] times [K,N]; nt: times the transpose of [N,K];
//	                   gemv: the same for M = 1 by cblas_sgemv     -> ok CORE
//	run SECONDS COUNT  as often as it takes for both               -> MEDIAN MEAN COUNT
//
// The one argument is the number of threads.
#define _GNU_SOURCE
#include <cblas.h>
#include <dirent.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

extern void openblas_set_num_threads(int);
extern char *openblas_get_corename(void);

static double now(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec + 1e-9 * t.tv_nsec;
}

static int ascending(const void *a, const void *b) {
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

// Binds the threads of this process to processors in turn; the pool exists by then.
static void spread(int n) {
	DIR *d = opendir("/proc/self/task");
	struct dirent *e;
	int i = 0;
	while (d && n > 1 && (e = readdir(d))) {
		int t = atoi(e->d_name);
		if (t <= 0) continue;
		cpu_set_t s;
		CPU_ZERO(&s);
		CPU_SET(i++ % n, &s);
		sched_setaffinity(t, sizeof s, &s);
	}
	if (d) closedir(d);
}

static char kind[8];
static int M, N, K;
static float *A, *B, *C;

static void product(void) {
	if (!strcmp(kind, "gemv")) cblas_sgemv(CblasRowMajor, CblasNoTrans, N, K, 1, B, K, A, 1, 0, C, 1);
	else if (!strcmp(kind, "nn")) cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, M, N, K, 1, A, K, B, N, 0, C, N);
	else cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasTrans, M, N, K, 1, A, K, B, K, 0, C, N);
}

static float *numbers(size_t n, size_t step) {
	float *p = malloc(4 * n);
	if (!p) exit(1);
	for (size_t i = 0; i < n; i++) p[i] = (float)(i * step % 1000) / 1000 - 0.5f;
	return p;
}

int main(int argc, char **argv) {
	int threads = argc > 1 ? atoi(argv[1]) : 1;
	char line[256];
	static double times[1 << 20];
	openblas_set_num_threads(threads);
	while (fgets(line, sizeof line, stdin)) {
		double seconds;
		int count;
		if (sscanf(line, "start %7s %d %d %d", kind, &M, &N, &K) == 4) {
			free(A), free(B), free(C);
			A = numbers((size_t)M * K, 2654435761u), B = numbers((size_t)K * N, 40503u), C = numbers((size_t)M * N, 1);
			product();
			spread(threads);
			product();
			printf("ok %s\n", openblas_get_corename());
		} else if (sscanf(line, "run %lf %d", &seconds, &count) == 2 && A) {
			double total = 0;
			int n = 0;
			while ((total < seconds || n < count) && n < (int)(sizeof times / sizeof *times)) {
				double s = now();
				product();
				total += times[n++] = now() - s;
			}
			qsort(times, n, sizeof *times, ascending);
			printf("%.9g %.9g %d\n", times[n / 2], total / n, n);
		} else {
			printf("error: %s", line);
		}
		fflush(stdout);
	}
	return 0;
}
