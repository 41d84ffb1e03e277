using System.Collections.Concurrent;

#pragma warning disable CA1034, CA1711, CA1721 // Interfaces of each kind, together in one place.

namespace ManyHands.Tests.Managers
{
    public record Note(string Text, int[] Numbers, Note? Next);

    public sealed record SecretNote(string Text) : Note(Text, [], null);

    public sealed class DeskException(string message) : Exception(message);

    public interface IBase
    {
        string OfTheBase();
    }

    public interface IDesk : IBase
    {
        string Label { get; set; }

        int this[int index] { get; }

        int Add(int a, int b);

        string Add(string a, string b);

        void Put(Note? note);

        Note? Last();

        Task<int> AddAsync(int a, int b);

        Task PutAsync(Note? note);

        ValueTask<int> AddSoon(int a, int b);

        ValueTask Nothing();

        string ByDefault() => $"default of {Label}";

        sealed string Sealed() => $"sealed with {Add(2, 3)}";

        int Count(int[] numbers, CancellationToken token);

        void Fail(string how);

        Task FailLater();

        Task? NoTask();

        Note Secret();

        byte[] Large(int length);

        Task<int> WaitAsync(CancellationToken token);

        Task<int> MeetAsync(int number, int all);

        Task<int> NoteOrderAsync(int number, CancellationToken token);
    }

    public sealed class Desk : IDesk
    {
        private readonly TaskCompletionSource begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource canceled = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly TaskCompletionSource met = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly ConcurrentQueue<int> order = new();
        private Note? last;
        private int meeting;

        public Task Begun => begun.Task;

        public Task Canceled => canceled.Task;

        public IEnumerable<int> Order => order;

        public int Additions { get; private set; }

        public string Label { get; set; } = "desk";

        public static string BesideTheInterface => "hidden";

        public int this[int index] => 2 * index;

        public int Add(int a, int b)
        {
            Additions++;
            return a + b;
        }

        public string Add(string a, string b) => a + b;

        public void Put(Note? note) => last = note;

        public Note? Last() => last;

        public async Task<int> AddAsync(int a, int b)
        {
            await Task.Yield();
            return a + b;
        }

        public async Task PutAsync(Note? note)
        {
            await Task.Yield();
            last = note;
        }

        public async ValueTask<int> AddSoon(int a, int b)
        {
            await Task.Yield();
            return a + b;
        }

        public async ValueTask Nothing() => await Task.Yield();

        public int Count(int[] numbers, CancellationToken token) => token.CanBeCanceled ? numbers.Length : -1;

        public void Fail(string how) => throw (how == "own" ? new DeskException(how) : new InvalidOperationException(how));

        public async Task FailLater()
        {
            await Task.Yield();
            throw new KeyNotFoundException("later");
        }

        public Task? NoTask() => null;

        public Note Secret() => new SecretNote("x");

        public byte[] Large(int length) => new byte[length];

        public async Task<int> WaitAsync(CancellationToken token)
        {
            begun.TrySetResult();
            try
            {
                await Task.Delay(Timeout.Infinite, token);
            }
            finally
            {
                canceled.TrySetResult();
            }

            return 1;
        }

        public async Task<int> MeetAsync(int number, int all)
        {
            if (Interlocked.Increment(ref meeting) == all)
                met.TrySetResult();
            await met.Task;
            return number;
        }

        public async Task<int> NoteOrderAsync(int number, CancellationToken token)
        {
            order.Enqueue(number);
            await Task.Yield();
            return number;
        }

        public string OfTheBase() => "base";

        private string Hidden() => Label;

        internal string ReadHidden() => Hidden();
    }
}

namespace ManyHands.Tests.Managers.Old
{
    public interface IVersioned
    {
        int One(int number);
    }

    public sealed class Versioned : IVersioned
    {
        public int One(int number) => number;
    }
}

namespace ManyHands.Tests.Managers.New
{
    public interface IVersioned
    {
        int One(int number);

        int Two(int number);
    }
}

namespace ManyHands.Tests.Managers.Refused
{
    public interface IEvent
    {
        event EventHandler Changed;
    }

    public interface IGeneric
    {
        void Do<T>(T value);
    }

    public interface IOut
    {
        void Do(out int value);
    }

    public interface IRef
    {
        void Do(ref int value);
    }

    public interface IIn
    {
        void Do(in int value);
    }

    public interface IObject
    {
        void Do(object value);
    }

    public interface IDynamicResult
    {
        Task<dynamic> Do();
    }

    public interface IObjects
    {
        void Do(List<object> values);
    }

    public interface IDelegate
    {
        void Do(Func<int> function);
    }

    public interface IDelegateResult
    {
        Action Do();
    }

    public interface IReports
    {
        void Do(IProgress<int> progress);
    }

    public interface ISpan
    {
        void Do(ReadOnlySpan<byte> bytes);
    }

    public interface IStream
    {
        Stream Do();
    }

    public interface IShared
    {
        void Do(SharedArray<int> numbers);
    }

    public interface ITokens
    {
        void Do(CancellationToken one, CancellationToken other);
    }

    public interface ITokenResult
    {
        CancellationToken Do();
    }

    public interface IStatic
    {
        static abstract void Do();
    }

    public interface IInternal
    {
        internal void Do();
    }

    public interface IOne
    {
        void Do();
    }

    public interface ITwice : IOne
    {
        new void Do();
    }

    public interface IReference
    {
        ref int Do();
    }
}
