namespace ManyHands;

/// <summary>A coroutine that keeps the coroutines' thread to itself.</summary>
/// <param name="Coroutine">The name of the coroutine, or of the pool's call.</param>
/// <param name="Function">The function that was started.</param>
/// <param name="Running">The asynchronous method whose code has the thread, if it is another one further in; else null.</param>
/// <param name="Duration">How long it has kept the thread so far.</param>
/// <param name="IsOver">False while it still does; true in the second report, when it has let go.</param>
/// <param name="Waiting">How many turns of other coroutines wait behind it.</param>
public sealed record BlockedReport(string Coroutine, string Function, string? Running, TimeSpan Duration, bool IsOver, int Waiting)
{
    /// <summary>The report as a sentence.</summary>
    public override string ToString()
    {
        string inside = Running is null ? "" : $", in {Running}";
        return IsOver
            ? $"{Coroutine} ({Function}{inside}) blocked the coroutines' thread for {Duration.TotalMilliseconds:N0} ms; await instead, or run it on another engine."
            : $"{Coroutine} ({Function}{inside}) has been blocking the coroutines' thread for {Duration.TotalMilliseconds:N0} ms; {Waiting} turns wait behind it.";
    }
}
