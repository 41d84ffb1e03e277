using ManyHands.Managers;
using ManyHands.Serialization;

namespace ManyHands.Fuzz;

/// <summary>One of the things that a request says.</summary>
internal enum RequestField
{
    /// <summary>A number of 1 byte.</summary>
    Byte,

    /// <summary>A number of 4 bytes.</summary>
    Int32,

    /// <summary>A number of 8 bytes.</summary>
    Int64,

    /// <summary>How many of what follows there are, in 4 bytes.</summary>
    Count,

    /// <summary>A length and as many bytes.</summary>
    Block,

    /// <summary>A text.</summary>
    Text,

    /// <summary>The signature of a method, and its arguments.</summary>
    Call,

    /// <summary>What a worker tells: what (1), of which call (8), and what belongs to it.</summary>
    News,
}

/// <summary>What each operation says and to whom, so that requests can be made that are right but for their numbers.</summary>
internal static class RequestLayout
{
    /// <summary>Numbers that mean something particular, or nothing.</summary>
    public static readonly IReadOnlyList<long> Numbers =
    [
        0, 1, 2, 3, 4, 7, 80, 127, 128, 255, 1000, 9_999, 10_000, 10_001, ushort.MaxValue, -1, -2, -80,
        int.MaxValue - 1, int.MaxValue, int.MaxValue + 1L, uint.MaxValue, int.MinValue, int.MinValue - 1L,
        TimeSpan.FromDays(24).Ticks, TimeSpan.FromMilliseconds(int.MaxValue).Ticks + 1, (long)TimeSpan.MaxValue.TotalMilliseconds, (long)TimeSpan.MaxValue.TotalMilliseconds + 1, DateTime.MaxValue.Ticks,
        long.MaxValue / 2, long.MaxValue - 1, long.MaxValue, long.MinValue, long.MinValue + 1,
        BitConverter.DoubleToInt64Bits(double.NaN), BitConverter.DoubleToInt64Bits(double.PositiveInfinity), BitConverter.SingleToInt32Bits(float.NaN), 0x0101010101010101,
    ];

    private static readonly Dictionary<Operation, RequestField[]> Layouts = new()
    {
        [Operation.Open] = [RequestField.Byte, RequestField.Text, RequestField.Text],
        [Operation.Ping] = [],
        [Operation.Enqueue] = [RequestField.Count, RequestField.Block, RequestField.Block, RequestField.Block],
        [Operation.Dequeue] = [RequestField.Int32],
        [Operation.Lease] = [RequestField.Int64],
        [Operation.Settle] = [RequestField.Int64, RequestField.Byte, RequestField.Int64],
        [Operation.Complete] = [],
        [Operation.QueueState] = [],
        [Operation.Join] = [],
        [Operation.ClearQueue] = [],
        [Operation.Get] = [RequestField.Block],
        [Operation.Put] = [RequestField.Block, RequestField.Block],
        [Operation.Add] = [RequestField.Block, RequestField.Block],
        [Operation.Remove] = [RequestField.Block],
        [Operation.ReplaceIf] = [RequestField.Block, RequestField.Block, RequestField.Block],
        [Operation.Count] = [],
        [Operation.Clear] = [],
        [Operation.Entries] = [RequestField.Int64],
        [Operation.RemoveLast] = [],
        [Operation.PutAll] = [RequestField.Count, RequestField.Block, RequestField.Block, RequestField.Block, RequestField.Block],
        [Operation.Append] = [RequestField.Block],
        [Operation.GetAt] = [RequestField.Int64],
        [Operation.SetAt] = [RequestField.Int64, RequestField.Block],
        [Operation.InsertAt] = [RequestField.Int64, RequestField.Block],
        [Operation.RemoveAt] = [RequestField.Int64],
        [Operation.Range] = [RequestField.Int64, RequestField.Int32],
        [Operation.Read] = [],
        [Operation.Exchange] = [RequestField.Block],
        [Operation.CompareExchange] = [RequestField.Block, RequestField.Block],
        [Operation.Enter] = [],
        [Operation.Exit] = [RequestField.Int64, RequestField.Byte],
        [Operation.Acquire] = [],
        [Operation.Release] = [RequestField.Int32],
        [Operation.Await] = [],
        [Operation.Set] = [],
        [Operation.Reset] = [],
        [Operation.WaitFor] = [RequestField.Int64],
        [Operation.Notify] = [RequestField.Int64, RequestField.Int32],
        [Operation.Arrive] = [RequestField.Byte],
        [Operation.ActionDone] = [RequestField.Byte, RequestField.Int64],
        [Operation.Abort] = [],
        [Operation.State] = [],
        [Operation.Invoke] = [RequestField.Call],
        [Operation.PoolRun] =
        [
            RequestField.Int64, RequestField.Int32, RequestField.Int64, RequestField.Byte, RequestField.Text, RequestField.Text, RequestField.Text, RequestField.Int64, RequestField.Int64, RequestField.Block,
        ],
        [Operation.PoolCancel] = [RequestField.Int64],
        [Operation.PoolReports] = [RequestField.Int64],
        [Operation.PoolAwait] = [],
        [Operation.PoolState] = [],
        [Operation.PoolJoin] = [RequestField.Int32, RequestField.Text, RequestField.Int32],
        [Operation.PoolTake] = [RequestField.Int64],
        [Operation.PoolTell] = [RequestField.Int64, RequestField.News, RequestField.News],
        [Operation.PoolLeave] = [RequestField.Int64, RequestField.Byte],
    };

    /// <summary>What an operation says. Each has a layout: a new one without it can't be used here.</summary>
    public static RequestField[] Of(Operation operation) =>
        Layouts.TryGetValue(operation, out RequestField[]? layout) ? layout : throw new InvalidOperationException($"Say in {nameof(RequestLayout)} what {operation} says, so that it is tried with hostile numbers.");

    /// <summary>Which objects have it.</summary>
    public static bool IsOf(Operation operation, ObjectKind kind) => operation switch
    {
        Operation.Open or Operation.Ping => kind == ObjectKind.Manager,
        <= Operation.ClearQueue => kind == ObjectKind.Queue,
        Operation.Count or Operation.Clear => kind is ObjectKind.Dictionary or ObjectKind.List,
        <= Operation.PutAll => kind == ObjectKind.Dictionary,
        <= Operation.Range => kind == ObjectKind.List,
        <= Operation.CompareExchange => kind == ObjectKind.Value,
        Operation.Enter or Operation.Exit => kind is ObjectKind.Lock or ObjectKind.Condition,
        Operation.Acquire or Operation.Release => kind == ObjectKind.Semaphore,
        Operation.Await or Operation.Set => kind == ObjectKind.Event,
        Operation.Reset => kind is ObjectKind.Event or ObjectKind.Barrier,
        Operation.WaitFor or Operation.Notify => kind == ObjectKind.Condition,
        <= Operation.Abort => kind == ObjectKind.Barrier,
        Operation.State => kind is ObjectKind.Lock or ObjectKind.Semaphore or ObjectKind.Event or ObjectKind.Condition or ObjectKind.Barrier,
        Operation.Invoke => kind == ObjectKind.Service,
        _ => kind == ObjectKind.Pool,
    };

    /// <summary>A request's body: what it says is of the right form, and its numbers are whatever they are.</summary>
    /// <param name="operation">What is asked for.</param>
    /// <param name="number">The number that stands there. For a block or a text: which of some.</param>
    public static byte[] Body(Operation operation, Func<RequestField, long> number)
    {
        using PayloadWriter writer = new();
        foreach (RequestField field in Of(operation))
            Write(writer, field, number(field), number);
        return writer.WrittenSpan.ToArray();
    }

    private static void Write(PayloadWriter writer, RequestField field, long value, Func<RequestField, long> number)
    {
        switch (field)
        {
            case RequestField.Byte:
                writer.WriteByte((byte)value);
                break;
            case RequestField.Int32 or RequestField.Count:
                writer.WriteUnmanaged((int)value);
                break;
            case RequestField.Int64:
                writer.WriteUnmanaged(value);
                break;
            case RequestField.Block:
                byte[] block = Blocks[(int)((ulong)value % (ulong)Blocks.Length)];
                writer.WriteUnmanaged(block.Length);
                writer.WriteBytes(block);
                break;
            case RequestField.Text:
                writer.WriteString(Texts[(int)((ulong)value % (ulong)Texts.Length)]);
                break;
            case RequestField.Call:
                writer.WriteString("Add(int, int): int");
                writer.WriteUnmanaged((int)value);
                writer.WriteUnmanaged((int)number(RequestField.Int32));
                break;
            case RequestField.News:
                writer.WriteByte((byte)value);
                writer.WriteUnmanaged(number(RequestField.Int64));
                WriteNews(writer, (PoolNews)(byte)value, number);
                break;
        }
    }

    private static void WriteNews(PayloadWriter writer, PoolNews news, Func<RequestField, long> number)
    {
        RequestField[] rest = news switch
        {
            PoolNews.Ended => [RequestField.Byte, RequestField.Block],
            PoolNews.Lacking => [RequestField.Text],
            PoolNews.Report => [RequestField.Int32, RequestField.Block],
            _ => [],
        };
        foreach (RequestField field in rest)
            Write(writer, field, number(field), number);
    }

    // Items and keys of some types, and what is none.
    private static readonly byte[][] Blocks = [[2, 0, 0, 0, (byte)'h', 0, (byte)'i', 0], [], [1], [7, 0, 0, 0, 0, 0, 0, 0], "\u0080\u0004K\u0001."u8.ToArray(), [0x80, 4, 0x4B, 1, 0x2E], [.. Enumerable.Repeat((byte)0xFF, 16)], new byte[300]];

    private static readonly string[] Texts = ["queue", "string", "", "Work", "x", new string('n', 201)];
}
