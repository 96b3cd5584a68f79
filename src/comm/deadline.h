/* A bound on what an engine may take where no signs of life can tell: before the processes have met,
 * and when they part. */
#ifndef PACO_COMM_DEADLINE_H
#define PACO_COMM_DEADLINE_H

typedef struct Deadline Deadline;

/* After `seconds` the process ends with `code` and the line `text`, which is copied, unless it is
 * called off before. NULL where there can be no thread: then there is no bound. */
Deadline *deadline_begin(double seconds, int code, const char *text);
/* NULL is allowed. */
void deadline_call_off(Deadline *deadline);

#endif
