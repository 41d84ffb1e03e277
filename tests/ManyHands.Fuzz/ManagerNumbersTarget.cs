using System.Buffers.Binary;
using System.Text;
using ManyHands.Managers;
using ManyHands.Serialization;
using Microsoft.Extensions.Logging;

namespace ManyHands.Fuzz;

/// <summary>
/// What a client that has the key says to a manager: right frames and requests, with any numbers in them, to objects of every kind. A second client must notice nothing, the manager must foresee all of it, and when the first is gone, so
/// must be all that it had.
/// </summary>
internal sealed class ManagerNumbersTarget : FuzzTarget
{
    private const int MostSteps = 60;
    private static readonly Operation[] Operations = Enum.GetValues<Operation>();

    public override string Name => "manager-numbers";

    /// <summary>Each operation with each number, and some at random.</summary>
    public override IReadOnlyList<byte[]> Seeds { get; } =
    [
        .. from operation in Enumerable.Range(0, Operations.Length) from number in Enumerable.Range(0, RequestLayout.Numbers.Count) select (byte[])[(byte)operation, 1, (byte)number, .. Enumerable.Repeat((byte)number, 12)],
        .. from round in Enumerable.Range(0, 50) select MakeRandom(round),
    ];

    public override IReadOnlyList<byte[]> Tokens { get; } = [.. Enumerable.Range(0, 64).Select(static number => (byte[])[(byte)number]), new byte[4], [0xFF, 0xFF], [0x80, 0x81, 0x82]];

    public override bool IsRefusal(Exception failure) => failure is InvalidDataException;

    /// <summary>A manager and all its objects are made for each input.</summary>
    public override long MostAllocated(int length) => (8L << 20) + (10_000L * length);

    public override void Run(byte[] input)
    {
        Faults faults = new();
        using ManagerServerOfAllKinds manager = new(faults);
        Client good = new(manager.Objects, "good");
        good.OpenAll(manager.Objects);
        good.Ask("queue_of_another", Operation.Enqueue, [1, 0, 0, 0, 8, 0, 0, 0, 2, 0, 0, 0, (byte)'h', 0, (byte)'i', 0]);
        Client hostile = new(manager.Objects, "hostile");
        try
        {
            hostile.OpenAll(manager.Objects);
            Script script = new(input, hostile);
            for (int step = 0; step < MostSteps && !script.IsOver; step++)
                script.Step();
        }
        finally
        {
            hostile.End();
        }

        Hold(good, hostile, manager, faults);
    }

    private static void Hold(Client good, Client hostile, ManagerServerOfAllKinds manager, Faults faults)
    {
        // A method of an object may be running on another thread.
        if (!SpinWait.SpinUntil(() => hostile.WaitingRequests == 0, TimeSpan.FromSeconds(4)))
            throw new InvalidOperationException($"{hostile.WaitingRequests} requests wait for a client that has gone.");
        Expect(good, "queue_of_another", Operation.Lease, BitConverter.GetBytes(-1L), "an item of its own");
        Expect(good, "lock", Operation.Enter, [], "a lock whose holder is gone");
        Expect(good, "semaphore", Operation.Acquire, [], "a permit whose holder is gone");
        foreach ((string name, Operation operation) in ((string, Operation)[])[("queue", Operation.ClearQueue), ("bounded", Operation.ClearQueue), ("dictionary", Operation.Clear), ("anything", Operation.Clear), ("list", Operation.Clear)])
            good.Ask(name, operation, []);
        long value = good.Ask("value", Operation.Read, []).Length - sizeof(int);
        good.Ask("queue_of_another", Operation.Settle, [.. good.LastTicket, 0, .. new byte[8]]);
        if (!SpinWait.SpinUntil(() => manager.Objects.Bytes.Held == value, TimeSpan.FromSeconds(4)))
            throw new InvalidOperationException($"All is empty, and counts as {manager.Objects.Bytes.Held - value:N0} bytes.");
        good.End();
        if (faults.First is { } fault)
            throw new InvalidOperationException($"The manager didn't foresee: {fault}");
    }

    private static void Expect(Client client, string name, Operation operation, byte[] body, string what)
    {
        byte[] answer = client.Ask(name, operation, body);
        if (answer is not [1, ..])
            throw new InvalidOperationException($"The other client can't have {what}: {Convert.ToHexString(answer)}.");
    }

    private static byte[] MakeRandom(int seed)
    {
        byte[] input = new byte[400];
        new Random(seed).NextBytes(input);
        return input;
    }

    /// <summary>An input, as steps of a client.</summary>
    private sealed class Script(byte[] input, Client client)
    {
        private int place;

        public bool IsOver => place >= input.Length;

        public void Step()
        {
            int choice = Next();
            if (choice == 0xFF)
                client.Do([(byte)MessageKind.Received, .. BitConverter.GetBytes(Number(default))]);
            else if (choice == 0xFE)
                client.Do([(byte)MessageKind.Cancel, .. BitConverter.GetBytes((uint)Number(default))]);
            else
                Request(Operations[choice % Operations.Length]);
        }

        private void Request(Operation operation)
        {
            // Mostly of an object that has such an operation.
            int which = Next();
            int[] fitting = [.. Enumerable.Range(0, client.Opened.Count + 1).Where(number => RequestLayout.IsOf(operation, number == 0 ? ObjectKind.Manager : client.Opened[number - 1].Kind))];
            long number = which % 16 == 15 ? Number(default) : which % 16 == 14 ? which / 16 % (client.Opened.Count + 1) : fitting[which / 16 % fitting.Length];
            long wait = Next() % 4 == 3 ? Number(default) : 0;
            uint id = (uint)(which % 8 == 7 ? Number(default) : 7);
            long arrived = which % 8 == 6 ? Number(default) : 0;
            client.Do(Client.Message(id, (int)number, operation, wait, arrived, RequestLayout.Body(operation, Number)));
        }

        // One that is hostile, or one that the manager has told.
        private long Number(RequestField field)
        {
            int choice = Next();
            return field == RequestField.Count && choice < 0xA0
                ? 1 + (choice % 2)
                : choice >= 0x80 && client.Told(choice) is { } told ? told : RequestLayout.Numbers[choice % RequestLayout.Numbers.Count];
        }

        private int Next() => place < input.Length ? input[place++] : 0;
    }

    private sealed class Client(HostedObjects objects, string name) : ClientSession(name, objects, 100)
    {
        private const int MostTold = 64;
        private readonly Dictionary<string, int> numbers = [];
        private readonly List<long> told = [];
        private byte[]? answer;

        /// <summary>By number, from 1 on.</summary>
        public List<HostedObject> Opened { get; } = [];

        /// <summary>Numbers that the manager has answered with: tickets, stays, workers.</summary>
        public long? Told(int choice)
        {
            lock (told)
                return told.Count == 0 ? null : told[choice % told.Count];
        }

        public byte[] LastTicket { get; private set; } = new byte[8];

        public static byte[] Message(uint id, int number, Operation operation, long wait, long arrived, byte[] body)
        {
            byte[] message = new byte[1 + 4 + 4 + 1 + 8 + 8 + body.Length];
            message[0] = (byte)MessageKind.Request;
            BinaryPrimitives.WriteUInt32LittleEndian(message.AsSpan(1), id);
            BinaryPrimitives.WriteInt32LittleEndian(message.AsSpan(5), number);
            message[9] = (byte)operation;
            BinaryPrimitives.WriteInt64LittleEndian(message.AsSpan(10), wait);
            BinaryPrimitives.WriteInt64LittleEndian(message.AsSpan(18), arrived);
            body.CopyTo(message, 26);
            return message;
        }

        public void Do(byte[] message)
        {
            using FlushScope scope = FlushScope.Enter();
            Handle(message);
        }

        public byte[] Ask(string target, Operation operation, byte[] body)
        {
            answer = null;
            Do(Message(1, numbers[target], operation, 0, 0, body));
            byte[] given = answer ?? throw new InvalidOperationException($"{Name} had no answer to {operation} of {target}.");
            if (operation == Operation.Lease && given.Length > 9)
                LastTicket = given[1..9];
            return given;
        }

        public void OpenAll(HostedObjects objects)
        {
            foreach (HostedObject one in objects.All.OrderBy(static one => one.Name, StringComparer.Ordinal).Where(one => Name == "good" || one.Name != "queue_of_another"))
            {
                using PayloadWriter writer = new();
                writer.WriteByte((byte)one.Kind);
                writer.WriteString(one.Name);
                writer.WriteString(one.TypeName);
                Opened.Add(one);
                numbers.Add(one.Name, Opened.Count);
                Do(Message(1, 0, Operation.Open, 0, 0, writer.WrittenSpan.ToArray()));
            }
        }

        protected override void Write(MessageKind kind, ReadOnlySpan<byte> id, ReadOnlySpan<byte> head, ReadOnlySpan<byte> first, ReadOnlySpan<byte> second)
        {
            if (kind == MessageKind.Failure && Encoding.UTF8.GetString(head).Contains("   at ", StringComparison.Ordinal))
                throw new InvalidOperationException("A client was told a stack trace.");
            byte[] body = [.. head, .. first, .. second];
            if (BinaryPrimitives.ReadUInt32LittleEndian(id) == 1)
                answer = body;

            // Methods of objects answer on other threads.
            lock (told)
            {
                foreach (int place in (int[])[0, 1, 5])
                {
                    if (kind == MessageKind.Result && body.Length >= place + sizeof(long) && told.Count < MostTold)
                        told.Add(BinaryPrimitives.ReadInt64LittleEndian(body.AsSpan(place)));
                }
            }
        }
    }

    /// <summary>What the manager reports of itself.</summary>
    private sealed class Faults : ILogger
    {
        private string? first;

        public string? First => Volatile.Read(ref first);

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => true;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (logLevel >= LogLevel.Error)
                Interlocked.CompareExchange(ref first, formatter(state, exception), null);
        }
    }
}
