/* reply_reader.c - cuts a stream of bytes into replies, within bounds. */
#include "queue/reply_reader.h"

#include <stdlib.h>

#if HIREDIS_MAJOR >= 1
typedef size_t element_count;
#else
typedef int element_count;
#endif

struct reply_reader {
    redisReader *parser; /* owns */
    redisReplyObjectFunctions functions;
    void *(*create_array)(const redisReadTask *task, element_count count);
    size_t max_bytes;
    size_t bytes_unparsed; /* since the last whole reply */
};

/* hiredis allocates an array by its announced length; NULL makes it give up. */
static void *create_array(const redisReadTask *task, element_count count)
{
    const struct reply_reader *reader = task->privdata;

    if ((size_t)count > REPLY_MAX_ELEMENTS)
        return NULL;
    return reader->create_array(task, count);
}

struct reply_reader *reply_reader_new(size_t max_bytes)
{
    struct reply_reader *reader = calloc(1, sizeof *reader);

    if (reader == NULL)
        return NULL;
    reader->max_bytes = max_bytes;
    reader->parser = redisReaderCreate();
    if (reader->parser == NULL)
        return reply_reader_free(reader);
    reader->functions = *reader->parser->fn;
    reader->create_array = reader->functions.createArray;
    reader->functions.createArray = create_array;
    reader->parser->fn = &reader->functions;
    reader->parser->privdata = reader;
    return reader;
}

struct reply_reader *reply_reader_free(struct reply_reader *reader)
{
    if (reader == NULL)
        return NULL;
    if (reader->parser != NULL)
        redisReaderFree(reader->parser);
    free(reader);
    return NULL;
}

enum result reply_reader_feed(struct reply_reader *reader, const char *bytes, size_t len,
                              const char **reterr_why)
{
    reader->bytes_unparsed += len;
    if (redisReaderFeed(reader->parser, bytes, len) == REDIS_OK)
        return RESULT_OK;
    *reterr_why = "out of memory for a reply of Redis";
    return RESULT_NO_MEMORY;
}

enum result reply_reader_next(struct reply_reader *reader, redisReply **ret_reply,
                              const char **reterr_why)
{
    void *reply = NULL;

    if (redisReaderGetReply(reader->parser, &reply) != REDIS_OK) {
        *reterr_why = "Redis sent something that is no reply";
        return RESULT_INVALID;
    }
    if (reply != NULL) {
        reader->bytes_unparsed = 0;
        *ret_reply = reply;
        return RESULT_OK;
    }
    if (reader->bytes_unparsed <= reader->max_bytes)
        return RESULT_EMPTY;
    *reterr_why = "a reply of Redis is too long";
    return RESULT_INVALID;
}
