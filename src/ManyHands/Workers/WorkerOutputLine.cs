namespace ManyHands;

/// <summary>A whole line that a worker process wrote, without its line end.</summary>
/// <param name="ProcessId">The process that wrote it.</param>
/// <param name="IsError">Whether it came from standard error.</param>
/// <param name="Text">The line, decoded as UTF-8.</param>
public readonly record struct WorkerOutputLine(int ProcessId, bool IsError, string Text);
