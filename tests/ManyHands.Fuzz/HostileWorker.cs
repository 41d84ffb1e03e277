using System.Reflection;
using ManyHands.Calls;
using ManyHands.Platform;
using ManyHands.Serialization;
using ManyHands.Transport;
using ManyHands.Workers;

namespace ManyHands.Fuzz;

/// <summary>
/// Runs in a real worker and turns against the parent what the worker has: its rings, their control words, the socket for descriptors, its right to send frames. What it does is a script of bytes, two or three for each step,
/// so that it can be mutated, and done again.
/// </summary>
[System.Runtime.Versioning.SupportedOSPlatform("linux")]
internal static unsafe class HostileWorker
{
    /// <summary>How many kinds of steps there are.</summary>
    public const int Kinds = 64;

    private const int ControlSize = 4096;
    private const int DataOffset = ControlSize + (2 * (int)RingSegment.Capacity);
    private static readonly long[] Extremes = [0, 1, -1, 7, 8, 255, 4096, 65536, int.MaxValue, int.MinValue, long.MaxValue, long.MinValue, 1L << 32, 1L << 40, -8];
    private static RingChannel? channel;
    private static DamagingChannel? damaging;
    private static byte* memory;

    /// <summary>Does the script, and then returns the sample like any function.</summary>
    public static T Return<T>(byte[] script, int index, IProgress<T> progress)
    {
        Find(progress);
        WorkerSample sample = WorkerSample.All[index];
        Play(script, sample, () => progress.Report((T)sample.Make()!));
        return (T)sample.Make()!;
    }

    /// <summary>An item of a map, one of which does the script.</summary>
    public static int Item((byte[]? Script, int Number) item)
    {
        if (item.Script is not null && channel is not null)
            Play(item.Script, WorkerSample.All[0], static () => { });
        return item.Number * 2;
    }

    /// <summary>What an honest function returns, which shows that it is the right call's.</summary>
    public static (int Number, long Check) Honest(int number) => (number, CheckOf(number));

    public static long CheckOf(int number) => unchecked((number + 1) * (long)0x9E37_79B9_7F4A_7C15);

    private static void Play(byte[] script, WorkerSample sample, Action report)
    {
        // Three numbers for each step: what, and with what.
        for (int at = 0; at + 2 < script.Length; at += 3)
            Do(script[at], script[at + 1], script[at + 2], sample, report);
    }

    private static void Do(byte what, byte first, byte second, WorkerSample sample, Action report)
    {
        long extreme = Extremes[second % Extremes.Length];
        long call = Started + (first % 5) - 2;
        switch (what % Kinds)
        {
            // What it would have answered, with other bytes; the worker lives on, so this is what most do.
            case >= 32:
                damaging!.Damage(1 + (what % 3), first, second, alsoHeader: what % 8 == 0);
                break;

            // What the parent takes for an outcome, for one of this call's neighbours as well.
            case 0 or 1 or 2 or 3:
                channel!.Send(FrameKind.Ended, call, Damaged(sample.Encode(), first, second), flags: (byte)(what >> 5));
                break;
            case 4 or 5:
                channel!.Send(FrameKind.Ended, call, Failure(first, second), flags: 1);
                break;
            case 6:
                channel!.Send(FrameKind.Ended, second < 128 ? call : extreme, sample.Encode(), flags: first, runTime: (ushort)(second << 8));
                break;
            case 7 or 8 or 9:
                channel!.Send(FrameKind.Progress, call, Damaged(sample.Encode(), first, second), argument: second < 200 ? 0 : (ulong)extreme);
                break;
            case 10 or 11:
                channel!.Send(FrameKind.Results, call, Damaged([.. BitConverter.GetBytes(4), .. BitConverter.GetBytes(7), .. BitConverter.GetBytes(4), .. BitConverter.GetBytes(8)], first, second), argument: (ulong)(first < 128 ? 2 : extreme));
                break;
            case 12:
                channel!.Send(FrameKind.Returned, second < 200 ? call : extreme);
                break;
            case 13:
                channel!.MarkStarted(second < 128 ? call : extreme, withTime: first < 128);
                break;
            case 14:
                *(long*)(memory + 1536 + 8) = extreme;
                break;
            case 15:
                *(ulong*)(memory + 1536 + 128) = ((uint)first << 5) | ((ulong)(second & 7u) << 32);
                break;

            // Behind what is published: nobody may look there, and it is overwritten.
            case 16 or 17:
                InRing((long)Tail + first, second);
                break;

            // Published and perhaps not yet read.
            case 18:
                channel!.Send(FrameKind.Progress, call, sample.Encode(), wakeLater: true);
                InRing((long)Tail - 1 - (first % 64), second);
                channel.Flush();
                break;
            case 19:
                channel!.Send((FrameKind)first, extreme, sample.Encode(), argument: second);
                break;
            case 20:
                memory[512 + ((first << 8 | second) % 1536)] ^= (byte)(1 << (first & 7));
                break;
            case 21:
                *(long*)(memory + 512 + (first % 64 * 8)) = extreme;
                break;
            case 22:
                *(ulong*)(memory + 1024) = Tail + (ulong)(first << 3) + (second & 1u);
                break;
            case 23:
                InSegment(first, second, extreme);
                break;
            case 24:
                channel!.Send(first < 128 ? FrameKind.SegmentRead : FrameKind.SegmentDropped, second < 128 ? second : extreme);
                break;
            case 25:
                Linux.IoVector vector = new() { Start = (byte*)&extreme, Length = (nuint)(1 + (first % 8)) };
                Linux.MessageHeader message = new() { Vectors = &vector, VectorCount = 1 };
                _ = Linux.SendMessage(3, &message, Linux.SocketMessageNoSignal);
                break;
            case 26:
                Race(first, second);
                break;
            case 27 when first < 32:
                OwnEnd(second);
                break;
            case 28:
                throw second < 128 ? new InvalidDataException(new string('x', first << 4)) : new AggregateException(new TimeoutException("forged"), new OperationCanceledException());
            case 29:
                Thread.Sleep(first % 4);
                break;
            default:
                report();
                break;
        }
    }

    private static long Started => *(long*)(memory + 1536);

    private static ulong Tail => *(ulong*)(memory + 1024);

    private static void InRing(long position, byte value) => memory[DataOffset + (position & (RingSegment.Capacity - 1))] = value;

    // What it says of its payload goes ahead of the descriptor, or the descriptor is of something else.
    private static void InSegment(byte first, byte second, long extreme)
    {
        byte[] place = [.. BitConverter.GetBytes(second < 100 ? (long)second : extreme), .. BitConverter.GetBytes(first < 128 ? (long)first << 10 : extreme)];
        if ((first & 1) != 0)
            SendDescriptor(second < 100 ? second : extreme, second);
        channel!.Send(FrameKind.Ended, Started, place, flags: Frame.InSegment);
    }

    private static void SendDescriptor(long id, byte kind)
    {
        int descriptor = (kind % 4) switch
        {
            0 => Linux.MemoryFile("manyhands"),
            1 => Sealed(4096),
            2 => Linux.TryDuplicateAbove(1, 20),
            _ => Sealed(1 << 20),
        };
        byte* control = stackalloc byte[24];
        new Span<byte>(control, 24).Clear();
        *(nuint*)control = 20;
        *(int*)(control + 8) = 1;
        *(int*)(control + 12) = 1;
        *(int*)(control + 16) = descriptor;
        Linux.IoVector vector = new() { Start = (byte*)&id, Length = sizeof(long) };
        Linux.MessageHeader message = new() { Vectors = &vector, VectorCount = 1, ControlData = control, ControlLength = 24 };
        _ = Linux.SendMessage(3, &message, Linux.SocketMessageNoSignal);
        Linux.Close(descriptor);
    }

    private static int Sealed(long size)
    {
        int descriptor = Linux.MemoryFile("manyhands");
        _ = Linux.Allocate(descriptor, 0, size);
        Linux.Seal(descriptor, Linux.SealShrink | Linux.SealGrow | Linux.SealSeal);
        return descriptor;
    }

    // Beside the worker's own thread, while that answers and the parent reads.
    private static void Race(byte first, byte second)
    {
        Random random = new(first << 8 | second);
        bool alsoControl = first < 64;
        Thread racing = new(() =>
        {
            for (int i = 0; i < 20_000; i++)
            {
                InRing((long)Tail - random.Next(128), (byte)random.Next(256));
                if (alsoControl && random.Next(1000) == 0)
                    memory[1024 + random.Next(1024)] = (byte)random.Next(256);
            }
        });
        racing.IsBackground = true;
        racing.Start();
        if ((second & 1) != 0)
            racing.Join();
    }

    private static void OwnEnd(byte how)
    {
        switch (how % 4)
        {
            case 0:
                Linux.Close(3);
                break;
            case 1:
                Environment.Exit(how);
                break;
            default:
                _ = Linux.Kill(Environment.ProcessId, how % 4 == 2 ? Linux.Sigkill : Linux.Sigterm);
                break;
        }
    }

    private static byte[] Failure(byte first, byte second)
    {
        using PayloadWriter writer = new();
        RemoteFailure.Write(writer, new AggregateException(new InvalidOperationException("a"), new KeyNotFoundException("b", new FormatException("c"))));
        return Damaged(writer.WrittenSpan.ToArray(), first, second);
    }

    /// <summary>Other bytes, the same for the same numbers.</summary>
    public static byte[] Damaged(byte[] bytes, byte first, byte second)
    {
        Random random = new(first << 8 | second);
        switch (first % 4)
        {
            case 0 when bytes.Length > 0:
                for (int i = random.Next(4); i >= 0; i--)
                    bytes[random.Next(Math.Min(bytes.Length, 256))] = (byte)random.Next(256);
                return bytes;
            case 1 when bytes.Length > 0:
                bytes[random.Next(Math.Min(bytes.Length, 256))] ^= (byte)(1 << random.Next(8));
                return bytes;
            case 2:
                return bytes[..random.Next(bytes.Length + 1)];
            default:
                byte[] longer = new byte[bytes.Length + random.Next(40)];
                bytes.CopyTo(longer, 0);
                random.NextBytes(longer.AsSpan(bytes.Length));
                if (longer.Length >= sizeof(int) && random.Next(2) == 0)
                    BitConverter.TryWriteBytes(longer, (int)Extremes[random.Next(Extremes.Length)]);
                return longer;
        }
    }

    // The receiver of progress knows the call, the call its loop, and that the channel; nothing that a worker's code is meant to have leads there.
    private static void Find(object progress)
    {
        if (channel is not null)
            return;
        WorkerLoop loop = Search(progress, depth: 6, []) ?? throw new MissingFieldException("The way from a receiver of progress to its worker's loop is another one now.");
        FieldInfo field = Array.Find(typeof(WorkerLoop).GetFields(BindingFlags.Instance | BindingFlags.NonPublic), static field => field.FieldType == typeof(Channel))!;
        channel = (RingChannel)field.GetValue(loop)!;
        damaging = new DamagingChannel(channel);
        field.SetValue(loop, damaging);
        RingSegment shared = (RingSegment)typeof(RingChannel).GetField("shared", BindingFlags.Instance | BindingFlags.NonPublic)!.GetValue(channel)!;
        memory = (byte*)shared.Worker - 1536;
    }

    private static WorkerLoop? Search(object? from, int depth, HashSet<object> seen)
    {
        if (from is WorkerLoop found)
            return found;
        if (from is null || depth == 0 || from.GetType().IsPrimitive || !seen.Add(from))
            return null;
        if (from is Delegate function)
            return Search(function.Target, depth - 1, seen);
        foreach (FieldInfo field in from.GetType().GetFields(BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic))
        {
            if (!field.FieldType.IsPointer && !field.FieldType.IsValueType && Search(field.GetValue(from), depth - 1, seen) is { } loop)
                return loop;
        }

        return null;
    }
}
