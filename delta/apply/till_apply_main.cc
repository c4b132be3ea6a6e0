// written next
int main() { return 75; }
