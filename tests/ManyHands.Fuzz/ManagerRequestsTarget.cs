using System.Buffers.Binary;
using System.Text;
using ManyHands.Managers;
using ManyHands.Serialization;
using Microsoft.Extensions.Logging;

namespace ManyHands.Fuzz;

/// <summary>What a client that has the key sends to a manager: messages, cut from a stream, to objects of every kind.</summary>
internal sealed class ManagerRequestsTarget : FuzzTarget
{
    private const int LargestMessage = 64 * 1024;

    /// <summary>Every kind that a manager can have, under a number that is known, as each input opens them in this order.</summary>
    private static readonly (ObjectKind Kind, string Name, string TypeName)[] Objects = FindObjects();

    public override string Name => "manager-requests";

    public override IReadOnlyList<byte[]> Seeds { get; } =
    [
        .. from operation in Enum.GetValues<Operation>() from number in Enumerable.Range(0, Objects.Length + 2) select Request(number, operation, 0, Bodies()[(int)operation % Bodies().Length]),
        .. from operation in Enum.GetValues<Operation>() from body in Bodies() select (byte[])[.. Request(1 + ((int)operation % Objects.Length), operation, -1, body), .. Message([(byte)MessageKind.Cancel, 7, 0, 0, 0])],
        .. from number in Enumerable.Range(1, Objects.Length) select (byte[])[.. Enum.GetValues<Operation>().SelectMany(operation => Request(number, operation, 1, Bodies()[2]))],
        Message([(byte)MessageKind.Received, .. new byte[8]]), Message([(byte)MessageKind.Received, .. Enumerable.Repeat((byte)0xFF, 8)]), Message([(byte)MessageKind.Farewell]), Message([(byte)MessageKind.Result, 1, 0, 0, 0]),
        Message([0]), Message([255]), [0, 0, 0, 0], [0xFF, 0xFF, 0xFF, 0xFF], [0xFF, 0xFF, 0xFF, 0x7F], [1, 0, 1, 0], "GET / HTTP/1.1\r\n\r\n"u8.ToArray(),
    ];

    public override IReadOnlyList<byte[]> Tokens { get; } =
    [
        .. Enum.GetValues<MessageKind>().Select(static kind => (byte[])[(byte)kind]), .. Enum.GetValues<Operation>().Select(static operation => (byte[])[(byte)operation]),
        .. Bodies(), new byte[4], new byte[8], [1, 0, 0, 0], [0xFF, 0xFF, 0xFF, 0xFF], [0xFF, 0xFF, 0xFF, 0x7F], [0, 0, 0, 0x80], [.. Enumerable.Repeat((byte)0xFF, 8)], [0, 0, 0, 0, 0, 0, 0, 0x80],
        .. Enumerable.Range(1, Objects.Length).Select(static number => Request(number, Operation.State, 0, [])),
    ];

    public override bool IsRefusal(Exception failure) => failure is InvalidDataException or InvalidPayloadException;

    /// <summary>A manager and all its objects are made for each input.</summary>
    public override long MostAllocated(int length) => (4L << 20) + (2000L * length);

    public override void Run(byte[] input)
    {
        using ManagerServerOfAllKinds manager = new();
        using FrameBuffer incoming = new(LargestMessage);
        Client client = new(manager.Objects);
        try
        {
            client.OpenAll();
            Client other = new(manager.Objects);
            other.OpenAll();
            int place = 0;
            while (place < input.Length)
            {
                int count = Math.Min(incoming.Free.Length, input.Length - place);
                input.AsSpan(place, count).CopyTo(incoming.Free.Span);
                incoming.Added(count);
                place += count;
                while (incoming.TryTake(out ReadOnlyMemory<byte> message))
                {
                    if (!client.Do(message))
                        return;
                }
            }

            other.End();
        }
        finally
        {
            client.End();
        }

        // A method of an object may be running on another thread.
        if (client.WaitingRequests != 0 && !SpinWait.SpinUntil(() => client.WaitingRequests == 0, TimeSpan.FromSeconds(2)))
            throw new InvalidOperationException($"{client.WaitingRequests} requests wait for a client that has gone.");
        if (client.Answers > client.Requests)
            throw new InvalidOperationException($"{client.Requests} requests had {client.Answers} answers.");
    }

    private static (ObjectKind, string, string)[] FindObjects()
    {
        using ManagerServerOfAllKinds manager = new();
        return [.. manager.Objects.All.OrderBy(static one => one.Name, StringComparer.Ordinal).Select(static one => (one.Kind, one.Name, one.TypeName))];
    }

    private static byte[][] Bodies() =>
    [
        [],
        [1, 0, 0, 0],
        [1, 0, 0, 0, 3, 0, 0, 0, 2, (byte)'h', (byte)'i'],
        [3, 0, 0, 0, 1, 2, 3, 3, 0, 0, 0, 4, 5, 6, 3, 0, 0, 0, 1, 2, 3],
        [5, 0, 0, 0, 0, 0, 0, 0, 3, 0, 0, 0, 2, (byte)'h', (byte)'i'],
        [1, 0, 0, 0, 0, 0, 0, 0],
        [.. Enumerable.Repeat((byte)0xFF, 8)],
        Text("Add(int, int): int", [1, 0, 0, 0, 2, 0, 0, 0]),
        Open(ObjectKind.Queue, "queue", "string"),
    ];

    private static byte[] Text(string text, byte[] rest)
    {
        using PayloadWriter writer = new();
        writer.WriteString(text);
        writer.WriteBytes(rest);
        return writer.WrittenSpan.ToArray();
    }

    private static byte[] Open(ObjectKind kind, string name, string typeName)
    {
        using PayloadWriter writer = new();
        writer.WriteByte((byte)kind);
        writer.WriteString(name);
        writer.WriteString(typeName);
        return writer.WrittenSpan.ToArray();
    }

    private static byte[] Request(int number, Operation operation, long milliseconds, ReadOnlySpan<byte> body) => Message(RequestBody(7, number, operation, milliseconds, body));

    private static byte[] RequestBody(uint id, int number, Operation operation, long milliseconds, ReadOnlySpan<byte> body)
    {
        byte[] message = new byte[1 + 4 + 4 + 1 + 8 + 8 + body.Length];
        message[0] = (byte)MessageKind.Request;
        BinaryPrimitives.WriteUInt32LittleEndian(message.AsSpan(1), id);
        BinaryPrimitives.WriteInt32LittleEndian(message.AsSpan(5), number);
        message[9] = (byte)operation;
        BinaryPrimitives.WriteInt64LittleEndian(message.AsSpan(10), milliseconds);
        body.CopyTo(message.AsSpan(26));
        return message;
    }

    private static byte[] Message(byte[] body)
    {
        byte[] message = new byte[FrameBuffer.LengthSize + body.Length];
        BinaryPrimitives.WriteInt32LittleEndian(message, body.Length);
        body.CopyTo(message.AsSpan(FrameBuffer.LengthSize));
        return message;
    }

    private sealed class Client(HostedObjects objects) : ClientSession("fuzzed", objects, 100)
    {
        private int answers;

        public int Answers => Volatile.Read(ref answers);

        public bool Do(ReadOnlyMemory<byte> message)
        {
            using FlushScope scope = FlushScope.Enter();
            return Handle(message);
        }

        public void OpenAll()
        {
            foreach ((ObjectKind kind, string name, string typeName) in Objects)
                Do(RequestBody(1, 0, Operation.Open, 0, Open(kind, name, typeName)));
            if (Answers != Objects.Length)
                throw new InvalidOperationException("The objects can't be opened.");
        }

        protected override void Write(MessageKind kind, ReadOnlySpan<byte> id, ReadOnlySpan<byte> head, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second)
        {
            if (kind == MessageKind.Failure && Encoding.UTF8.GetString(first).Contains("   at ", StringComparison.Ordinal))
                throw new InvalidOperationException("A client was told a stack trace.");
            Interlocked.Increment(ref answers);
        }
    }
}

/// <summary>A manager that has one object of every kind, and doesn't listen.</summary>
internal sealed class ManagerServerOfAllKinds : IDisposable
{
    private static readonly ManagerKey Key = ManagerKey.Generate();
    private readonly ManagerServer server;

    public ManagerServerOfAllKinds(ILogger? logger = null)
    {
        server = new(new() { Key = Key, MaxStoredBytes = 1 << 20, Logger = logger });
        server.RegisterQueue<string>("queue_of_another");
        server.RegisterQueue<string>("queue");
        server.RegisterQueue<object>("bounded", 2);
        server.RegisterDictionary<string, int>("dictionary");
        server.RegisterDictionary<object, object>("anything");
        server.RegisterList<string>("list");
        server.RegisterValue<long>("value", 7);
        server.RegisterLock("lock");
        server.RegisterLock("reentrant", isReentrant: true);
        server.RegisterSemaphore("semaphore", 1, 2);
        server.RegisterEvent("event", SharedEventMode.AutoReset, isSet: true);
        server.RegisterCondition("condition");
        server.RegisterBarrier("barrier", 2);
        server.RegisterPool("pool");
        server.RegisterObject<ICalculator>("calculator", new Calculator());
    }

    public interface ICalculator
    {
        int Add(int left, int right);

        string[] Split(string text, char separator);
    }

    public HostedObjects Objects => server.Objects;

    public void Dispose() => Objects.Stop();

    private sealed class Calculator : ICalculator
    {
        public int Add(int left, int right) => left + right;

        public string[] Split(string text, char separator) => text.Split(separator);
    }
}
