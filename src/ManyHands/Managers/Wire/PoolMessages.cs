using ManyHands.Serialization;

namespace ManyHands.Managers;

/// <summary>How a call of a pool ended, as its worker or the manager says. The first six are <see cref="Calls.OutcomeKind"/>'s; the numbers never change.</summary>
internal enum PoolOutcome : byte
{
    Result = 0,
    Threw = 1,

    /// <summary>After it was told to; no payload.</summary>
    Canceled = 2,

    /// <summary>A text.</summary>
    ResultUnsendable = 3,

    /// <summary>A text. Nothing ran.</summary>
    FunctionNotFound = 4,

    /// <summary>A text. Nothing ran.</summary>
    Undecodable = 5,

    /// <summary>It ran longer than it may; no payload.</summary>
    TimedOut = 6,

    /// <summary>What ran it ended under it: a <see cref="CrashReport"/>.</summary>
    Crashed = 7,

    /// <summary>Nobody can run it: a text.</summary>
    Broken = 8,
}

/// <summary>What a pool's manager has a worker do.</summary>
internal enum PoolOrder : byte
{
    Run = 1,

    /// <summary>Cancel its token, or forget it if it hasn't begun. Its outcome is told all the same.</summary>
    Cancel = 2,

    /// <summary>Give it back if it hasn't begun; others have nothing to do.</summary>
    Recall = 3,
}

/// <summary>What a worker tells its pool's manager.</summary>
internal enum PoolNews : byte
{
    /// <summary>The function is about to be called. Said before it is.</summary>
    Started = 1,

    /// <summary><see cref="PoolOutcome"/> (1), a block.</summary>
    Ended = 2,

    /// <summary>It was not started and won't be.</summary>
    Returned = 3,

    /// <summary>It has no such function, and will have none: a text that says what it has. Nothing ran.</summary>
    Lacking = 4,

    /// <summary>A report of progress: receiver (4), a block.</summary>
    Report = 5,
}

/// <summary>A call on its way through the manager, which reads no more of it than it needs.</summary>
/// <param name="Function">The name that both sides have registered it under.</param>
/// <param name="Signature">What the caller's build says it takes and returns. A text that is only ever compared.</param>
/// <param name="Name">What the caller calls it, for statistics and messages.</param>
/// <param name="Timeout">Infinite for none.</param>
/// <param name="Grace">How long it may take to end when it was told to.</param>
/// <param name="ArgumentsAt">Where in the message the arguments begin.</param>
internal readonly record struct PoolCallMessage(string Function, string Signature, string Name, TimeSpan Timeout, TimeSpan Grace, int ArgumentsAt)
{
    public static void Write(PayloadWriter writer, string function, string signature, CallOptions options)
    {
        writer.WriteString(function);
        writer.WriteString(signature);
        writer.WriteString(options.Name);
        writer.WriteUnmanaged(options.HasTimeout ? options.Timeout!.Value.Ticks : -1);
        writer.WriteUnmanaged(options.Grace.Ticks);
    }

    /// <exception cref="InvalidPayloadException">The bytes are no such message.</exception>
    public static PoolCallMessage Read(ReadOnlyMemory<byte> message)
    {
        PayloadReader reader = new(message);
        string function = reader.ReadRequiredString();
        string signature = reader.ReadRequiredString();
        string name = reader.ReadString() ?? function;
        TimeSpan timeout = WireNumber.ReadLimit(ref reader);
        TimeSpan grace = WireNumber.ReadTicks(ref reader);
        return new(function, signature, name, timeout, grace, reader.Position);
    }
}

/// <summary>What is known of a worker's end, on the wire.</summary>
internal static class CrashReport
{
    private const int MostLines = 20;

    public static void Write(PayloadWriter writer, string message, WorkerExit exit, TimeSpan ranFor)
    {
        writer.WriteString(message);
        writer.WriteUnmanaged(exit.ProcessId);
        WriteOptional(writer, exit.ExitCode);
        WriteOptional(writer, exit.Signal);
        writer.WriteUnmanaged(exit.RunTime.Ticks);
        writer.WriteString(exit.Reason);
        WriteOptional(writer, exit.PeakMemory);
        writer.WriteUnmanaged(ranFor.Ticks);
        int lines = Math.Min(exit.LastErrorLines.Count, MostLines);
        writer.WriteUnmanaged(lines);
        foreach (string line in exit.LastErrorLines.TakeLast(lines))
            writer.WriteString(line);
    }

    /// <exception cref="InvalidPayloadException">The bytes are no such report.</exception>
    public static WorkerCrashedException Read(ReadOnlyMemory<byte> report)
    {
        PayloadReader reader = new(report);
        string message = reader.ReadRequiredString();
        int processId = reader.ReadUnmanaged<int>();
        int? exitCode = (int?)ReadOptional(ref reader);
        int? signal = (int?)ReadOptional(ref reader);
        TimeSpan runTime = new(reader.ReadUnmanaged<long>());
        string? reason = reader.ReadString();
        long? peakMemory = ReadOptional(ref reader);
        TimeSpan ranFor = new(reader.ReadUnmanaged<long>());
        string[] lines = new string[reader.ReadCount(sizeof(int))];
        for (int i = 0; i < lines.Length; i++)
            lines[i] = reader.ReadRequiredString();
        WorkerExit exit = new()
        {
            ProcessId = processId,
            ExitCode = exitCode,
            Signal = signal,
            RunTime = runTime,
            LastErrorLines = lines,
            Reason = reason,
            PeakMemory = peakMemory,
        };
        return new WorkerCrashedException(message, exit, ranFor);
    }

    private static void WriteOptional(PayloadWriter writer, long? value)
    {
        writer.WriteByte(value is null ? (byte)0 : (byte)1);
        writer.WriteUnmanaged(value ?? 0);
    }

    private static long? ReadOptional(ref PayloadReader reader)
    {
        bool isThere = reader.ReadByte() != 0;
        long value = reader.ReadUnmanaged<long>();
        return isThere ? value : null;
    }
}
