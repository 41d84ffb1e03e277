using System.Text;

namespace ManyHands.Workers;

/// <summary>
/// Takes what a child writes to its standard output and error, and hands it on by whole lines, so that the lines of many processes never
/// mix, and an orphan of the child's can't hold this process's own output open.
/// </summary>
internal sealed class ChildOutput(Action<WorkerOutputLine>? receiver)
{
    private const int KeptLines = 20;
    private const int LongestKeptLine = 2000;

    // One line at a time to a receiver, whichever of its workers it comes from.
    private readonly object receiving = receiver ?? (object)Console.Out;
    private readonly Lock gate = new();
    private readonly Queue<string> lastErrorLines = new();

    public int ProcessId { get; set; }

    public IReadOnlyList<string> LastErrorLines
    {
        get
        {
            lock (gate)
                return [.. lastErrorLines];
        }
    }

    public void Line(bool isError, string text)
    {
        if (isError)
        {
            lock (gate)
            {
                if (lastErrorLines.Count == KeptLines)
                    lastErrorLines.Dequeue();
                lastErrorLines.Enqueue(text.Length > LongestKeptLine ? string.Concat(text.AsSpan(0, LongestKeptLine), "…") : text);
            }
        }

        try
        {
            if (receiver is null)
            {
                (isError ? Console.Error : Console.Out).WriteLine(text);
                return;
            }

            lock (receiving)
                receiver(new WorkerOutputLine(ProcessId, isError, text));
        }
        catch (Exception)
        {
            // A closed console, or a receiver that throws: neither may stop the reading, or the child would block on a full pipe.
        }
    }
}

/// <summary>Cuts a stream of bytes into lines. A line that grows past all measure is handed on in pieces.</summary>
internal sealed class LineSplitter(Action<string> line)
{
    private const int LongestLine = 64 * 1024;

    private readonly List<byte> partial = [];

    public void Add(ReadOnlySpan<byte> bytes)
    {
        while (true)
        {
            int at = bytes.IndexOf((byte)'\n');
            if (at < 0)
                break;
            partial.AddRange(bytes[..at]);
            Emit();
            bytes = bytes[(at + 1)..];
        }

        partial.AddRange(bytes);
        if (partial.Count > LongestLine)
            Emit();
    }

    /// <summary>Hands on what has no line end.</summary>
    public void Finish()
    {
        if (partial.Count > 0)
            Emit();
    }

    private void Emit()
    {
        ReadOnlySpan<byte> text = System.Runtime.InteropServices.CollectionsMarshal.AsSpan(partial);
        if (text is [.., (byte)'\r'])
            text = text[..^1];
        line(Encoding.UTF8.GetString(text));
        partial.Clear();
    }
}
