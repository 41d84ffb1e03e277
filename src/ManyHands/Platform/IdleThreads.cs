namespace ManyHands.Platform;

/// <summary>How long the threads that serve the whole process stay when they have nothing to do.</summary>
internal static class IdleThreads
{
    /// <summary>One second: long enough that work in quick succession meets a running thread. Tests shorten it.</summary>
    public static TimeSpan Time { get; set; } = TimeSpan.FromSeconds(1);
}
