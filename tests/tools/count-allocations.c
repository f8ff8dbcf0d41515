/*
 * count-allocations.c - preloaded into a program, counts its allocations: those that its own code
 * asks for apart from those of the libraries under it.
 *
 * Whose an allocation is, its return address tells. strdup() and strndup() are here as well, for
 * within libc they would count as the library's. At exit both counts stand in the file that
 * COUNT_ALLOCATIONS names: "program N libraries M".
 */
#include <link.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* glibc's own, under names that it keeps for those who stand in their place. */
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *memory, size_t size);

static atomic_ulong program_count, library_count;
static uintptr_t program_begin, program_end;

/* The first object that is named is the program itself. */
static int note_program(struct dl_phdr_info *info, size_t size, void *user)
{
    (void)size;
    (void)user;
    program_begin = UINTPTR_MAX;
    for (int i = 0; i < info->dlpi_phnum; i++) {
        const ElfW(Phdr) *segment = &info->dlpi_phdr[i];
        uintptr_t begin = info->dlpi_addr + segment->p_vaddr;
        if (segment->p_type != PT_LOAD)
            continue;
        program_begin = begin < program_begin ? begin : program_begin;
        program_end =
            begin + segment->p_memsz > program_end ? begin + segment->p_memsz : program_end;
    }
    return 1;
}

__attribute__((constructor)) static void begin(void)
{
    dl_iterate_phdr(note_program, NULL);
}

__attribute__((destructor)) static void tell(void)
{
    const char *path = getenv("COUNT_ALLOCATIONS");
    FILE *file = path == NULL ? NULL : fopen(path, "w");

    if (file == NULL)
        return;
    unsigned long of_program = program_count, of_libraries = library_count;
    fprintf(file, "program %lu libraries %lu\n", of_program, of_libraries);
    fclose(file);
}

static void count(const void *caller)
{
    uintptr_t address = (uintptr_t)caller;
    bool is_program = address >= program_begin && address < program_end;

    atomic_fetch_add_explicit(is_program ? &program_count : &library_count, 1,
                              memory_order_relaxed);
}

void *malloc(size_t size)
{
    count(__builtin_return_address(0));
    return __libc_malloc(size);
}

void *calloc(size_t number, size_t size)
{
    count(__builtin_return_address(0));
    return __libc_calloc(number, size);
}

void *realloc(void *memory, size_t size)
{
    count(__builtin_return_address(0));
    return __libc_realloc(memory, size);
}

static char *copy(const char *text, size_t len)
{
    char *target = __libc_malloc(len + 1);

    if (target == NULL)
        return NULL;
    memcpy(target, text, len);
    target[len] = '\0';
    return target;
}

char *strdup(const char *text)
{
    count(__builtin_return_address(0));
    return copy(text, strlen(text));
}

char *strndup(const char *text, size_t max)
{
    count(__builtin_return_address(0));
    return copy(text, strnlen(text, max));
}
