using System.Buffers.Binary;
using ManyHands.Calls;
using ManyHands.Managers;
using ManyHands.Serialization;

namespace ManyHands.Fuzz;

/// <summary>
/// What a manager answers, as its client reads it: results of a queue and of an object's methods, refusals, exceptions; and values of many types, as the own codec reads them. The first byte says which.
/// </summary>
internal sealed class ManagerAnswersTarget : FuzzTarget
{
    private static readonly Reading[] Readings =
    [
        static input => Failures.Read(input),
        static input => Queue<string>(input).TryDequeue(out _),
        static input => Queue<int[]>(input).DequeueBatch(3),
        static input => Queue<Node>(input).TryLease(out _),
        static input => _ = Queue<string>(input).Count,
        static input => Queue<object>(input).TryDequeue(out _),
        static input => Service(input).Text(),
        static input => Service(input).Nodes(),
        static input => { PayloadReader reader = new(input); RemoteFailure.Read(ref reader); },
        Value<string>, Value<int>, Value<bool>, Value<long[]>, Value<decimal>, Value<DateTime>, Value<DateTimeOffset>, Value<TimeSpan>, Value<Guid>, Value<Uri>, Value<Version>, Value<byte[]>, Value<string[]>, Value<List<Dictionary<string, int>>>,
        Value<HashSet<int>>, Value<Node>, Value<Node[]>, Value<(int, string, double?)>, Value<KeyValuePair<string, object[]>>, Value<System.Numerics.BigInteger>, Value<System.Text.Json.JsonElement>, Value<Stack<string>>, Value<int?[]>,
        Value<DayOfWeek>, Value<Dictionary<string, List<Node?>>>, Value<int[,]>,
    ];

    private delegate void Reading(ReadOnlyMemory<byte> input);

    private interface IThing
    {
        string Text();

        List<Node> Nodes();
    }

    public override string Name => "manager-answers";

    public override IReadOnlyList<byte[]> Seeds { get; } = [.. from which in Enumerable.Range(0, Readings.Length) from answer in Answers() select (byte[])[(byte)which, .. answer]];

    public override IReadOnlyList<byte[]> Tokens { get; } =
    [
        new byte[4], new byte[8], [1, 0, 0, 0], [0xFF, 0xFF, 0xFF, 0xFF], [0xFF, 0xFF, 0xFF, 0x7F], [0xC0], [0xC1], [0x90], [0x9F], [0x80], [0x8F], [0xA3, (byte)'a', (byte)'b', (byte)'c'],
        [0xDD, 0x7F, 0xFF, 0xFF, 0xFF], [0xDF, 0x7F, 0xFF, 0xFF, 0xFF], [0xDB, 0x7F, 0xFF, 0xFF, 0xFF], [0xC6, 0x7F, 0xFF, 0xFF, 0xFF], [0xC9, 0x7F, 0xFF, 0xFF, 0xFF, 1], [0xCB, 0, 0, 0, 0, 0, 0, 0, 0], [0xD3, 0x80, 0, 0, 0, 0, 0, 0, 0],
        Encoded(new Node { Name = "n", Children = [new Node()] }), Encoded("text"), Encoded(1.5m),
    ];

    public override bool IsRefusal(Exception failure) => failure is InvalidPayloadException or ManagerException or QueueCompletedException;

    public override void Run(byte[] input)
    {
        if (input.Length > 0)
            Readings[input[0] % Readings.Length](input.AsMemory(1));
    }

    private static RemoteQueue<T> Queue<T>(ReadOnlyMemory<byte> answer) => new(new Link(answer), "queue");

    private static IThing Service(ReadOnlyMemory<byte> answer) => new RemoteService<IThing>(new Link(answer), "thing", Timeout.InfiniteTimeSpan).Proxy;

    private static void Value<T>(ReadOnlyMemory<byte> input)
    {
        PayloadReader reader = new(input);
        Codec<T>.Instance.Read(ref reader);
    }

    private static byte[] Encoded<T>(T value)
    {
        using PayloadWriter writer = new();
        Codec<T>.Instance.Write(writer, value);
        return writer.WrittenSpan.ToArray();
    }

    private static byte[] Item(byte[] value)
    {
        byte[] item = new byte[sizeof(long) + sizeof(int) + value.Length];
        BinaryPrimitives.WriteInt32LittleEndian(item.AsSpan(sizeof(long)), value.Length);
        value.CopyTo(item, sizeof(long) + sizeof(int));
        return item;
    }

    private static IEnumerable<byte[]> Answers()
    {
        byte[][] values =
        [
            Encoded("text"), Encoded(7), Encoded(true), Encoded(new long[] { 1, 2 }), Encoded(1.50m), Encoded(DateTime.UnixEpoch), Encoded(DateTimeOffset.UnixEpoch), Encoded(Guid.Empty), Encoded(new Uri("https://example.org")),
            Encoded(new byte[] { 1, 2 }), Encoded(new[] { "a", null! }), Encoded(new List<Dictionary<string, int>> { new() { ["k"] = 1 } }), Encoded(new HashSet<int> { 1 }), Encoded(new Node { Name = "n", Children = [new Node()] }), Encoded((1, "x", (double?)2.5)),
            Encoded(System.Numerics.BigInteger.Pow(5, 40)), Encoded(new Stack<string>(["a", "b"])), Encoded(new int?[] { 1, null }), Encoded(new Dictionary<string, List<Node?>> { ["a"] = [new Node(), null] }), Encoded(new int[2, 2]),
        ];
        yield return [];
        yield return [(byte)TakeResult.TimedOut];
        yield return [(byte)TakeResult.Ended];
        foreach (byte[] value in values)
        {
            yield return value;
            yield return [(byte)TakeResult.Taken, 1, 0, 0, 0, .. Item(value)];
            yield return [(byte)TakeResult.Taken, .. Item(value)[..sizeof(long)], 2, 0, 0, 0, .. Item(value)[sizeof(long)..]];
        }

        yield return [(byte)TakeResult.Taken, 0xFF, 0xFF, 0xFF, 0x7F];
        foreach (FailureKind kind in Enum.GetValues<FailureKind>())
            yield return [(byte)kind, .. "what went wrong"u8];
        using PayloadWriter writer = new();
        RemoteFailure.Write(writer, new AggregateException(new InvalidOperationException("a"), new KeyNotFoundException("b", new ArgumentNullException("c"))));
        yield return writer.WrittenSpan.ToArray();
        yield return [(byte)FailureKind.Thrown, .. writer.WrittenSpan];
    }

    public sealed class Node
    {
        public string? Name { get; set; }

        public List<Node>? Children { get; set; }
    }

    /// <summary>A manager that answers with the input, whatever it is asked.</summary>
    private sealed class Link(ReadOnlyMemory<byte> answer) : ManagerLink
    {
        public override object? Epoch => this;

        public override Task<ReadOnlyMemory<byte>> SendAsync(
            RemoteObject target, Operation operation, TimeSpan wait, ReadOnlyMemory<byte> body, RequestTraits traits, Action<ReadOnlyMemory<byte>>? undo, CancellationToken token) => Task.FromResult(answer);

        public override void Post(RemoteObject target, Operation operation, ReadOnlyMemory<byte> body)
        {
        }

        public override Task SentAsync() => Task.CompletedTask;

        public override ReadOnlyMemory<byte> Open(RemoteObject target) => answer;

        public override bool IsCurrent(object? epoch) => epoch == this;
    }
}
