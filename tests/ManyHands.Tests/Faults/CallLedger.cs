using System.IO.MemoryMappedFiles;

namespace ManyHands.Tests.Faults;

/// <summary>How often each call was run, in whatever process: one number per call in a file that all map.</summary>
public sealed class CallLedger : IDisposable
{
    private const int Slots = 16 << 20;
    private static CallLedger? opened;

    private readonly MemoryMappedFile file;
    private readonly MemoryMappedViewAccessor view;
    private readonly string path;

    public CallLedger(string path)
    {
        this.path = path;
        if (!File.Exists(path))
        {
            using FileStream made = File.Create(path);
            made.SetLength(Slots * (long)sizeof(int));
        }

        file = MemoryMappedFile.CreateFromFile(path, FileMode.Open);
        view = file.CreateViewAccessor();
    }

    /// <summary>In a worker: the call has begun to run.</summary>
    public static void Enter(string path, int call)
    {
        if (opened?.path != path)
            opened = new CallLedger(path);
        opened.Add(call);
    }

    public int RunsOf(int call) => view.ReadInt32(call * (long)sizeof(int));

    public void Dispose()
    {
        view.Dispose();
        file.Dispose();
    }

    private unsafe void Add(int call)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(call, Slots);
        byte* start = null;
        view.SafeMemoryMappedViewHandle.AcquirePointer(ref start);
        try
        {
            Interlocked.Increment(ref *((int*)start + call));
        }
        finally
        {
            view.SafeMemoryMappedViewHandle.ReleasePointer();
        }
    }
}
