/* main.c - the program; everything is in app/. */
#include "app/command_line.h"

int main(int argc, char **argv)
{
    return command_line_main(argc, argv);
}
