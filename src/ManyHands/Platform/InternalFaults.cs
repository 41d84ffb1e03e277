using System.Diagnostics.Tracing;
using System.Runtime.CompilerServices;

namespace ManyHands.Platform;

/// <summary>Where what nobody foresaw is reported, so that it is never lost: it has no caller.</summary>
internal static class InternalFaults
{
    private const string PoolThread = ".NET thread pool";

    /// <summary>Raised on a thread of the pool. Without a listener the report goes to standard error.</summary>
    public static event Action<InternalFaultReport>? Reported;

    /// <summary>Never throws, and takes no time of the thread's.</summary>
    public static void Report(GuardedEntry entry, string about, Exception exception)
    {
        try
        {
            Send(entry, about, exception);
        }
        catch (Exception)
        {
            // Not even the memory for a report: who reports must be able to go on all the same.
        }
    }

    // By itself, as what it calls may have to be loaded first, for which there may be no descriptor; that throws where it is called.
    [MethodImpl(MethodImplOptions.NoInlining)]
    private static void Send(GuardedEntry entry, string about, Exception exception)
    {
        string thread = Thread.CurrentThread is { IsThreadPoolThread: false, Name: { Length: > 0 } name } ? name : PoolThread;
        InternalFaultReport report = new(thread, entry.ToString(), about, exception);
        InternalFaultSource.Log.InternalFault(report.Thread, report.Entry, report.About, ExceptionText.Of(exception));

        // A listener may take its time, and may throw.
        ThreadPool.UnsafeQueueUserWorkItem(Tell, report, preferLocal: false);
    }

    private static void Tell(InternalFaultReport report)
    {
        try
        {
            if (Reported is { } listeners)
            {
                listeners(report);
                return;
            }
        }
        catch (Exception)
        {
            // Then it isn't heard.
        }

        try
        {
            Console.Error.WriteLine(report);
        }
        catch (Exception)
        {
            // A closed console. The trace has it.
        }
    }

    /// <summary>For those who trace: <c>dotnet-trace collect --providers ManyHands</c>.</summary>
    [EventSource(Name = "ManyHands")]
    private sealed class InternalFaultSource : EventSource
    {
        public static readonly InternalFaultSource Log = new();

        [Event(1, Level = EventLevel.Error)]
        public void InternalFault(string thread, string entry, string about, string exception)
        {
            if (IsEnabled())
                WriteEvent(1, thread, entry, about, exception);
        }
    }
}
