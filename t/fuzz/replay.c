/*
 * Runs a fuzz entry over its seed corpus without a fuzzer: each file named on the command line, or
 * each in the folders named there. make check uses it, so that what a fuzzer once found stays found.
 */
#include <dirent.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "base/str.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int run_file(const char *path)
{
	struct str bytes = STR_INIT;
	FILE *f = fopen(path, "rb");
	if (!f) {
		fprintf(stderr, "%s can't be read.\n", path);
		return -1;
	}
	char block[65536];
	for (size_t n; (n = fread(block, 1, sizeof(block), f)) > 0;)
		str_add(&bytes, block, n);
	fclose(f);
	LLVMFuzzerTestOneInput((const uint8_t *)str_c(&bytes), bytes.len);
	str_fini(&bytes);
	return 0;
}

static int run_folder(const char *path, int *count)
{
	struct dirent **names;
	int n = scandir(path, &names, NULL, alphasort), rc = n < 0 ? -1 : 0;
	for (int i = 0; i < n; i++) {
		struct str file = STR_INIT;
		struct stat st;
		str_printf(&file, "%s/%s", path, names[i]->d_name);
		if (stat(file.s, &st) == 0 && S_ISREG(st.st_mode)) {
			rc |= run_file(file.s);
			++*count;
		}
		str_fini(&file);
		free(names[i]);
	}
	if (n >= 0)
		free(names);
	return rc;
}

int main(int argc, char **argv)
{
	int rc = 0, count = 0;
	for (int i = 1; i < argc; i++)
		rc |= run_folder(argv[i], &count);
	if (!count)
		fprintf(stderr, "no corpus files\n");
	printf("replayed %d inputs\n", count);
	return rc || !count;
}
