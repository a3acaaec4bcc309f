/* Adds up the numbers of a list, and then asks for one more than there are: the walk ends at a null pointer. */
#include <stdio.h>
#include <stdlib.h>

struct node {
  int value;
  struct node* next;
};

static struct node* push(struct node* list, int value) {
  struct node* node = malloc(sizeof(*node));
  if (node == NULL) abort();
  node->value = value;
  node->next = list;
  return node;
}

/* The sum of the first `count` values. */
static int sum(const struct node* list, int count) {
  int total = 0;
  for (int i = 0; i < count; ++i) {
    total += list->value;
    list = list->next;
  }
  return total;
}

int main(void) {
  struct node* list = NULL;
  for (int i = 1; i <= 3; ++i) list = push(list, i);
  printf("of three: %d\n", sum(list, 3));
  fflush(stdout);
  printf("of four: %d\n", sum(list, 4));
  return 0;
}
