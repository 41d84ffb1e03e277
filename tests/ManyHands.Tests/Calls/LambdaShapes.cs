#pragma warning disable CA1822, CA1859, CA1852, CA1024, CA1724, IDE0039, IDE0062, IDE0200, IDE0053, IDE0044, IDE0059, CS9099 // These are shapes that users write, not ones that we would.
using System.Globalization;
using System.Linq.Expressions;
using System.Reflection.Emit;

namespace ManyHands.Tests.Calls;

/// <summary>Says that a shape can't travel, and with which words it is refused.</summary>
[AttributeUsage(AttributeTargets.Method)]
public sealed class RefusedAttribute(string words) : Attribute
{
    public string Words => words;
}

/// <summary>
/// Functions of every shape that C# has, each in a method that calls it in the pool it is given. A new one is a new method.
/// </summary>
public static class LambdaShapes
{
    private static readonly string StaticText = "static";

    public static Task LambdaWithoutCaptures(Pool pool) => pool.RunAsync(() => 42);

    public static Task StaticLambda(Pool pool) => pool.RunAsync(static () => StaticText);

    public static Task StaticLambdaWithArguments(Pool pool) => pool.RunAsync(static (int a, string b) => b + a, 7, "x");

    public static Task AnonymousMethod(Pool pool)
    {
        int local = 5;
        return pool.RunAsync(delegate (int x) { return x + local; }, 2);
    }

    public static Task CapturedLocals(Pool pool)
    {
        int number = 5;
        string text = "abc";
        double? maybe = 2.5;
        return pool.RunAsync(() => $"{number}{text}{maybe}");
    }

    public static Task CapturedParameters(Pool pool) => Parameters(pool, 3, "three");

    public static Task SomeOfTheCaptures(Pool pool)
    {
        int used = 5;
        using MemoryStream unused = new([1]);
        Func<long> other = () => unused.Length;
        int before = (int)other();
        return pool.RunAsync(() => used + before);
    }

    public static Task WrittenCaptures(Pool pool)
    {
        int sum = 3;
        int fresh;
        return pool.RunAsync(() =>
        {
            fresh = 4;
            sum += fresh;
            Interlocked.Increment(ref sum);
            return sum;
        });
    }

    public static Task NestedScopes(Pool pool)
    {
        int outer = 1;
        {
            int middle = 20;
            {
                int inner = 300;
                return pool.RunAsync(() => outer + middle + inner);
            }
        }
    }

    public static async Task<string> LoopVariables(Pool pool)
    {
        string all = "";
        for (int i = 1; i < 4; i++)
        {
            int twice = 2 * i;
            all += await pool.RunAsync(() => $"{i}{twice} ");
        }

        foreach ((int number, string text) in new[] { (1, "a"), (2, "b") })
            all += await pool.RunAsync(() => text + number);
        return all;
    }

    public static Task LambdaInALambda(Pool pool)
    {
        int outer = 3;
        return pool.RunAsync(() =>
        {
            int inner = 4;
            Func<int, int> add = x => x + outer + inner;
            Func<Func<int>> nested = () => () => add(10) * outer;
            return nested()();
        });
    }

    public static Task OnlyTheInnermostLambdaUsesIt(Pool pool)
    {
        int outer = 3;
        return pool.RunAsync(() => new[] { 1, 2 }.Select(x => new[] { 10, 20 }.Select(y => x * y * outer).Sum()).Sum());
    }

    public static Task CapturedPatternAndOutVariables(Pool pool)
    {
        object value = "13";
        return value is string text && int.TryParse(text, CultureInfo.InvariantCulture, out int parsed)
            ? pool.RunAsync(() => text + (parsed + 1))
            : Task.FromResult("");
    }

    public static Task CapturedStructsAndTuples(Pool pool)
    {
        (int Count, string Name) pair = (2, "two");
        DateTime day = new(2026, 11, 30);
        return pool.RunAsync(() => $"{pair.Count}{pair.Name}{day.Day}");
    }

    public static Task QueryInside(Pool pool)
    {
        int limit = 2;
        return pool.RunAsync(() => string.Join(',',
            from x in new[] { 1, 2, 3, 4 }
            let y = x * limit
            from z in new[] { x, y }
            where z > limit
            orderby z descending
            select (x * z) + limit));
    }

    public static Task DefaultParameters(Pool pool)
    {
        int captured = 2;
        Func<int, int> function = (int x = 5) => x * captured;
        return pool.RunAsync(function, 4);
    }

    public static Task ParamsInside(Pool pool)
    {
        int captured = 2;
        return pool.RunAsync(() =>
        {
            var sum = (params int[] numbers) => numbers.Sum() + captured;
            var withDefault = (int x, int y = 7) => x + y + captured;
            return sum(1, 2, 3) + withDefault(1);
        });
    }

    public static Task RefLambdasInside(Pool pool)
    {
        int captured = 2;
        return pool.RunAsync(() =>
        {
            int changed = 5;
            ChangeByReference change = (ref int x, out int y) => y = x += captured;
            change(ref changed, out int result);
            return changed + result;
        });
    }

    public static Task SpansInside(Pool pool)
    {
        int captured = 3;
        return pool.RunAsync(() =>
        {
            Span<int> numbers = stackalloc int[captured];
            numbers.Fill(captured);
            ReadOnlySpan<int> constant = [1, 2, captured];
            return numbers[1] + constant[2];
        });
    }

    public static Task SwitchInside(Pool pool)
    {
        string word = "seven";
        int other = 70;
        return pool.RunAsync(() => word switch
        {
            "one" => 1,
            "two" => 2,
            "three" => 3,
            "four" => 4,
            "five" => 5,
            "six" => 6,
            "seven" => 7 + other,
            _ => 0,
        });
    }

    public static Task ExceptionsInside(Pool pool)
    {
        string text = "caught";
        int number = 1;
        return pool.RunAsync(() =>
        {
            try
            {
                throw new InvalidOperationException(text);
            }
            catch (InvalidOperationException exception) when (exception.Message == text && number == 1)
            {
                return exception.Message + number;
            }
            finally
            {
                number++;
            }
        });
    }

    public static Task DynamicInside(Pool pool)
    {
        int captured = 3;
        return pool.RunAsync(() =>
        {
            dynamic number = captured;
            return (int)(number + captured);
        });
    }

    public static unsafe Task FunctionPointerInside(Pool pool)
    {
        int captured = 3, second = 4;
        return pool.RunAsync(() =>
        {
            delegate*<int, int> twice = &Twice;
            return twice(captured) + second;
        });
    }

    public static Task AsyncLambda(Pool pool)
    {
        int captured = 5;
        string text = "x";
        return pool.RunAsync(async () =>
        {
            await Task.Yield();
            try
            {
                await Task.Delay(1);
            }
            finally
            {
                captured++;
            }

            return text + captured;
        });
    }

    public static Task AsyncLambdaInAsyncLambda(Pool pool)
    {
        int captured = 5;
        return pool.RunAsync(async () =>
        {
            int inner = 6;
            Func<Task<int>> next = async () =>
            {
                await Task.Yield();
                return captured + inner;
            };
            return await next();
        });
    }

    public static Task AwaitForEachInside(Pool pool)
    {
        int captured = 5;
        return pool.RunAsync(async () =>
        {
            int sum = 0;
            await foreach (int number in Numbers())
                sum += number;
            return sum;

            async IAsyncEnumerable<int> Numbers()
            {
                await Task.Yield();
                yield return captured;
                yield return 2 * captured;
            }
        });
    }

    public static Task IteratorInside(Pool pool)
    {
        int captured = 5;
        int unusedByTheLambda = 6;
        return pool.RunAsync(() => Numbers().Sum());

        IEnumerable<int> Numbers()
        {
            yield return captured;
            int inner = unusedByTheLambda;
            foreach (int each in new[] { 1, 2 }.Select(x => x * inner * captured))
                yield return each;
        }
    }

    public static async Task<int> LambdaInAnIterator(Pool pool)
    {
        int sum = 0;
        foreach (Func<int> function in Functions(3))
            sum += await pool.RunAsync(function);
        return sum;

        static IEnumerable<Func<int>> Functions(int factor)
        {
            for (int i = 1; i < 4; i++)
            {
                int each = i;
                yield return () => each * factor;
            }
        }
    }

    public static async Task<int> LambdaInAnAsyncMethod(Pool pool)
    {
        int before = 1;
        await Task.Yield();
        int after = 20;
        return await pool.RunAsync(() => before + after);
    }

    public static Task LocalFunction(Pool pool)
    {
        return pool.RunAsync(Square, 3);

        static int Square(int x) => x * x;
    }

    public static Task CapturingLocalFunction(Pool pool)
    {
        int captured = 5;
        return pool.RunAsync(Add, 3);

        int Add(int x) => x + captured;
    }

    public static Task LambdaOverLocalFunctions(Pool pool)
    {
        int captured = 5, other = 6;
        return pool.RunAsync(() => First(3));

        int First(int x) => x == 0 ? captured : Second(x - 1) + 1;
        int Second(int x) => x == 0 ? other : First(x - 1) + 10;
    }

    public static Task LocalFunctionsInsideALambda(Pool pool)
    {
        int captured = 5;
        return pool.RunAsync(() =>
        {
            int inner = 6;
            return Add(1) + Generic("ab");

            int Add(int x) => x + inner + captured;
            int Generic<T>(T value) => value!.ToString()!.Length * captured;
        });
    }

    public static Task GenericLocalFunctionThatGrows(Pool pool)
    {
        int captured = 3;
        return pool.RunAsync(() => Grow<int>(captured));

        string Grow<T>(int depth) => depth == 0 ? $"{typeof(T).GetGenericArguments().Length}{captured}" : Grow<List<T>>(depth - 1);
    }

    public static async Task<string> GenericMethods(Pool pool) =>
        $"{await Generic(pool, 5)}{await Generic(pool, "five")}{await Generic(pool, new[] { 5, 6 })}{await new Box<int>(7).Twice<string>(pool, "x")}{await new Box<string>("seven").Twice<int>(pool, 8)}";

    public static Task ExpressionTree(Pool pool)
    {
        int id = 7;
        return pool.RunAsync(() => new[] { 0, 7 }.AsQueryable().Where(x => x == id).Count());
    }

    public static Task ExpressionTreeInALambdaInside(Pool pool)
    {
        int id = 7;
        string text = "x";
        return pool.RunAsync(() =>
        {
            int inner = 8;
            Func<int, Expression<Func<string>>> make = y => () => text + id + inner + y;
            return make(9).Compile()();
        });
    }

    public static Task ExpressionTreeInALocalFunction(Pool pool)
    {
        int id = 7;
        return pool.RunAsync(() => Make().Compile()());

        Expression<Func<int>> Make() => () => id * 2;
    }

    public static Task ExpressionTreeInAnAsyncLambda(Pool pool)
    {
        int id = 7;
        return pool.RunAsync(async () =>
        {
            await Task.Yield();
            Expression<Func<int>> expression = () => id + 1;
            return expression.Compile()();
        });
    }

    public static Task ExpressionTreeOverMembers(Pool pool)
    {
        (int Number, string Text) pair = (3, "abc");
        return pool.RunAsync(() =>
        {
            Expression<Func<int>> expression = () => pair.Text.Length * pair.Number;
            return expression.Compile()();
        });
    }

    public static Task GenericExpressionTree(Pool pool) => new Box<string>("abc").InExpression(pool, 5);

    public static Task ThisOnly(Pool pool) => new Dog().ThisOnly(pool);

    public static Task ThisAndLocal(Pool pool) => new Dog().ThisAndLocal(pool);

    public static Task ThisInNestedScopes(Pool pool) => new Dog().ThisInNestedScopes(pool);

    public static Task ThisInALambdaInside(Pool pool) => new Dog().ThisInALambdaInside(pool);

    public static Task ThisChangedOnTwoWays(Pool pool) => new Dog().ThisChangedOnTwoWays(pool);

    public static Task ThisInAnAsyncLambda(Pool pool) => new Dog().ThisInAnAsyncLambda(pool);

    public static Task ThisInALocalFunction(Pool pool) => new Dog().ThisInALocalFunction(pool);

    public static Task ThisInAnExpression(Pool pool) => new Dog().ThisInAnExpression(pool);

    public static Task ThisInAnIterator(Pool pool) => new Dog().ThisInAnIterator(pool);

    public static async Task<string> ThisOfSeveralClasses(Pool pool) =>
        $"{await new Animal().ThisAndLocal(pool)} {await new Dog().ThisAndLocal(pool)} {await new Puppy().ThisAndLocal(pool)} {await new Animal().ThisAndLocal(pool)}";

    public static Task ThisOfAGenericClass(Pool pool) => new TextBox().ThisAndLocal(pool);

    public static Task ThisOfAnInterface(Pool pool) => ((IGreeter)new Greeter("hello")).GreetWithLocal(pool);

    public static Task ThisOfAnInterfaceOnly(Pool pool) => ((IGreeter)new Greeter("hello")).GreetByThis(pool);

    [Refused("'this'")]
    public static Task ThisThatIsACollection(Pool pool) => new Page { Total = 5 }.Sum(pool);

    public static Task PrimaryConstructorParameter(Pool pool) => new Primary(5).Run(pool);

    public static Task BaseInALambda(Pool pool) => new Dog().BaseInALambda(pool);

    [Refused("'my__this'")]
    public static Task FieldThatIsNamedLikeThis(Pool pool) => new Owner(new Dog()).Run(pool);

    [Refused("'my__this'")]
    public static Task VariableThatIsNamedLikeThis(Pool pool)
    {
        Animal my__this = new Dog();
        return pool.RunAsync(() => my__this.Name());
    }

    public static Task StaticMethodGroup(Pool pool) => pool.RunAsync((Func<int, int>)Math.Abs, -3);

    public static Task GenericMethodGroup(Pool pool) => pool.RunAsync(Same<string>, "x");

    public static Task InstanceMethodGroup(Pool pool) => pool.RunAsync(new Dog().Breed);

    public static Task VirtualMethodGroup(Pool pool)
    {
        Animal dog = new Dog();
        return pool.RunAsync(dog.Name);
    }

    public static Task BaseMethodGroup(Pool pool) => new Dog().BaseMethodGroup(pool);

    public static Task BaseOfBaseMethodGroup(Pool pool) => new Puppy().BaseMethodGroup(pool);

    public static Task GenericBaseMethodGroup(Pool pool) => new TextBox().BaseMethodGroup(pool);

    public static Task GenericVirtualMethodGroup(Pool pool)
    {
        Animal dog = new Dog();
        return pool.RunAsync(dog.Describe<int>, 5);
    }

    public static Task GenericVirtualBaseMethodGroup(Pool pool) => new Dog().GenericBaseMethodGroup(pool);

    public static Task BaseMethodGroupWithoutState(Pool pool) => new Silent().BaseMethodGroup(pool);

    public static async Task<string> BaseAndOverrideByTurns(Pool pool)
    {
        Dog dog = new();
        return $"{await dog.BaseMethodGroup(pool)} {await pool.RunAsync(dog.Name)} {await dog.BaseMethodGroup(pool)}";
    }

    public static async Task<string> HiddenMethodGroups(Pool pool)
    {
        Puppy puppy = new();
        return await pool.RunAsync(puppy.Hidden) + await pool.RunAsync(((Animal)puppy).Hidden);
    }

    public static Task CovariantOverride(Pool pool)
    {
        Animal dog = new Dog();
        return pool.RunAsync((Func<Animal>)dog.Kind);
    }

    public static Task ExplicitInterfaceMethodGroup(Pool pool) => pool.RunAsync(((IGreeter)new Greeter("hello")).Explicit);

    public static Task DefaultInterfaceMethodGroup(Pool pool) => pool.RunAsync(((IGreeter)new Greeter("hello")).Default);

    public static Task OverriddenDefaultInterfaceMethodGroup(Pool pool) => pool.RunAsync(((IGreeter)new LoudGreeter("hello")).Default);

    public static async Task<string> StaticAbstractMethodGroup(Pool pool) => await Static<Greeter>(pool) + await Static<LoudGreeter>(pool);

    public static Task ExtensionMethodGroup(Pool pool)
    {
        List<int> numbers = [1, 2, 3];
        return pool.RunAsync((Func<int>)numbers.Sum);
    }

    public static Task ExtensionMethodGroupOverNull(Pool pool)
    {
        string? nothing = null;
        return pool.RunAsync(nothing.LengthOrNone);
    }

    public static Task MethodGroupOfText(Pool pool) => pool.RunAsync("hello".Contains, "ell");

    public static Task MethodGroupOfAStruct(Pool pool) => pool.RunAsync(new Point(3, 4).Sum);

    public static Task MethodGroupOfAnEnum(Pool pool) => pool.RunAsync((Func<string>)DayOfWeek.Friday.ToString);

    public static Task MethodGroupOfANumber(Pool pool) => pool.RunAsync((Func<int, int>)5.CompareTo, 4);

    public static Task OpenInstanceMethod(Pool pool) =>
        pool.RunAsync((Func<string, string>)Delegate.CreateDelegate(typeof(Func<string, string>), typeof(string).GetMethod(nameof(string.ToUpperInvariant))!), "abc");

    public static Task OpenVirtualMethod(Pool pool) =>
        pool.RunAsync((Func<Plain, string>)Delegate.CreateDelegate(typeof(Func<Plain, string>), typeof(Plain).GetMethod(nameof(Plain.Text))!), new Plain { Number = 5 });

    public static Task PropertyGetter(Pool pool) =>
        pool.RunAsync((Func<int>)Delegate.CreateDelegate(typeof(Func<int>), new Dog(), typeof(Animal).GetProperty(nameof(Animal.Legs))!.GetMethod!));

    public static async Task<int> MapOverCaptures(Pool pool)
    {
        int factor = 3;
        int sum = 0;
        await foreach (int each in pool.MapAsync(x => x * factor, Enumerable.Range(1, 10)))
            sum += each;
        return sum;
    }

    public static Task MapOverBase(Pool pool) => new Dog().MapOverBase(pool);

    [Refused("Func<int>")]
    public static Task InvokeOfADelegate(Pool pool)
    {
        Func<int> function = () => 5;
        return pool.RunAsync(function.Invoke);
    }

    [Refused("'function'")]
    public static Task CapturedDelegate(Pool pool)
    {
        Func<int> function = () => 5;
        return pool.RunAsync(() => function() + 1);
    }

    [Refused("several functions")]
    public static Task MulticastDelegate(Pool pool)
    {
        Func<int> both = static () => 1;
        both += static () => 2;
        return pool.RunAsync(both);
    }

    [Refused("generated at run time")]
    public static Task CompiledExpression(Pool pool)
    {
        int captured = 5;
        Expression<Func<int>> expression = () => captured + 1;
        return pool.RunAsync(expression.Compile());
    }

    [Refused("generated at run time")]
    public static Task InterpretedExpression(Pool pool)
    {
        int captured = 5;
        Expression<Func<int>> expression = () => captured + 1;
        return pool.RunAsync(expression.Compile(preferInterpretation: true));
    }

    [Refused("generated at run time")]
    public static Task GeneratedMethod(Pool pool)
    {
        DynamicMethod method = new("generated", typeof(int), []);
        ILGenerator code = method.GetILGenerator();
        code.Emit(OpCodes.Ldc_I4_5);
        code.Emit(OpCodes.Ret);
        return pool.RunAsync(method.CreateDelegate<Func<int>>());
    }

    [Refused("'stream'")]
    public static unsafe Task FunctionPointerBesideWhatCannotTravel(Pool pool)
    {
        using MemoryStream stream = new();
        int captured = 3;
        Func<long> other = () => stream.Length;
        other();
        return pool.RunAsync(() =>
        {
            delegate*<int, int> twice = &Twice;
            return twice(captured);
        });
    }

    private static Task<string> Parameters(Pool pool, int number, string text) => pool.RunAsync(() => text + number);

    private static Task<string> Generic<T>(Pool pool, T value)
    {
        T? other = default;
        return pool.RunAsync(() => $"{typeof(T).Name}{value}{other}");
    }

    private static Task<string> Static<T>(Pool pool)
        where T : IGreeter => pool.RunAsync(T.Title);

    private static T Same<T>(T value) => value;

    private static int Twice(int x) => 2 * x;

    private delegate int ChangeByReference(ref int x, out int y);

    private static int LengthOrNone(this string? text) => text?.Length ?? -1;

    public readonly record struct Point(int X, int Y)
    {
        public int Sum() => X + Y;
    }

    public sealed class Plain
    {
        public int Number { get; set; }

        public string Text() => $"{Number}";
    }

    private interface IGreeter
    {
        static abstract string Title();

        string Explicit();

        string Default() => $"default {Explicit()}";

        Task<string> GreetByThis(Pool pool) => pool.RunAsync(() => Explicit() + "!");

        Task<string> GreetWithLocal(Pool pool)
        {
            int local = 5;
            return pool.RunAsync(() => Explicit() + local);
        }
    }

    private class Greeter(string word) : IGreeter
    {
        public static string Title() => "greeter";

        string IGreeter.Explicit() => $"explicit {word}";
    }

    private sealed class LoudGreeter(string word) : Greeter(word), IGreeter
    {
        public static new string Title() => "loud";

        string IGreeter.Default() => "overridden";
    }

    private class Animal
    {
        private readonly string secret = "fur";

        public int Legs { get; protected set; } = 4;

        public virtual string Name() => $"animal({secret},{Legs})";

        public virtual Animal Kind() => throw new InvalidOperationException("the base was called");

        public virtual string Describe<T>(T value) => $"animal {typeof(T).Name} {value}";

        public string Hidden() => "hidden of the animal";

        public Task<string> ThisOnly(Pool pool) => pool.RunAsync(() => Name() + Legs);

        public Task<string> ThisAndLocal(Pool pool)
        {
            int local = 5;
            return pool.RunAsync(() => Name() + local);
        }

        public Task<string> ThisInNestedScopes(Pool pool)
        {
            int outer = 5;
            Func<int> other = () => outer + Legs;
            if (other() > 0)
            {
                int middle = 6;
                Func<int> another = () => middle + Legs;
                foreach (int i in new[] { 7 })
                {
                    int inner = i + another();
                    return pool.RunAsync(() => Name() + outer + middle + inner);
                }
            }

            return Task.FromResult("");
        }

        public Task<string> ThisInALambdaInside(Pool pool)
        {
            int local = 5;
            return pool.RunAsync(() =>
            {
                int inner = 6;
                Func<Func<string>> nested = () => () => Name() + local + inner;
                return nested()();
            });
        }

        public Task<string> ThisChangedOnTwoWays(Pool pool)
        {
            int outer = 1;
            Action change = () => Legs += outer;
            {
                int inner = 2;
                return pool.RunAsync(() =>
                {
                    Legs += outer;
                    Action again = () => Legs += inner;
                    again();
                    Local();
                    return Name();
                });

                void Local() => Legs += 10 * outer;
            }
        }

        public Task<string> ThisInAnAsyncLambda(Pool pool)
        {
            int local = 5;
            return pool.RunAsync(async () =>
            {
                await Task.Yield();
                return Name() + local;
            });
        }

        public Task<string> ThisInALocalFunction(Pool pool)
        {
            int local = 5;
            return pool.RunAsync(Function, 1);

            string Function(int x) => Name() + local + x;
        }

        public Task<string> ThisInAnExpression(Pool pool)
        {
            int local = 5;
            return pool.RunAsync(() =>
            {
                Expression<Func<string>> expression = () => Name() + local + Legs;
                return expression.Compile()();
            });
        }

        public Task<string> ThisInAnIterator(Pool pool)
        {
            int local = 5;
            return pool.RunAsync(() => string.Concat(All()));

            IEnumerable<string> All()
            {
                yield return Name();
                yield return $"{local}";
            }
        }
    }

    private class Dog : Animal
    {
        private readonly string breed = "poodle";

        public override string Name() => $"dog({breed},{base.Name()})";

        public override Dog Kind() => throw new InvalidOperationException("the override was called");

        public override string Describe<T>(T value) => $"dog {typeof(T).Name} {value}";

        public string Breed() => breed;

        public virtual Task<string> BaseMethodGroup(Pool pool) => pool.RunAsync(base.Name);

        public Task<string> GenericBaseMethodGroup(Pool pool) => pool.RunAsync(base.Describe<List<int>>, new List<int> { 1 });

        public Task<string> BaseInALambda(Pool pool)
        {
            int local = 5;
            return pool.RunAsync(() => base.Name() + local);
        }

        public async Task<string> MapOverBase(Pool pool)
        {
            string all = "";
            await foreach (string each in pool.MapAsync(base.Describe<int>, Enumerable.Range(1, 3)))
                all += each;
            return all;
        }
    }

    private sealed class Puppy : Dog
    {
        public override string Name() => $"puppy({base.Name()})";

        public new string Hidden() => "hidden of the puppy";

        public override Task<string> BaseMethodGroup(Pool pool) => pool.RunAsync(base.Name);
    }

    private class Quiet
    {
        public virtual string Name() => "quiet";
    }

    private sealed class Silent : Quiet
    {
        public override string Name() => "silent";

        public Task<string> BaseMethodGroup(Pool pool) => pool.RunAsync(base.Name);
    }

    private class Box<T>(T value)
    {
        private T content = value;

        public virtual string Text() => $"box of {typeof(T).Name} {content}";

        public Task<string> Twice<TOther>(Pool pool, TOther other)
        {
            T local = content;
            return pool.RunAsync(() => $"{content}{local}{other}{typeof(TOther).Name}");
        }

        public Task<string> ThisAndLocal(Pool pool)
        {
            T local = content;
            return pool.RunAsync(() => Text() + local);
        }

        public Task<string> InExpression<TOther>(Pool pool, TOther other)
        {
            T local = content;
            return pool.RunAsync(() =>
            {
                Expression<Func<string>> expression = () => local!.ToString() + other + content;
                return expression.Compile()();
            });
        }
    }

    private sealed class TextBox() : Box<string>("abc")
    {
        private readonly int more = 6;

        public override string Text() => $"text box {more} {base.Text()}";

        public Task<string> BaseMethodGroup(Pool pool) => pool.RunAsync(base.Text);
    }

    private sealed class Primary(int number)
    {
        public Task<int> Run(Pool pool)
        {
            int local = 1;
            return pool.RunAsync(() => number + local);
        }
    }

    private sealed class Owner(Animal animal)
    {
        private readonly Animal my__this = animal;

        public Task<string> Run(Pool pool)
        {
            int local = 5;
            return pool.RunAsync(() => my__this.Name() + local);
        }
    }

    private sealed class Page : List<int>
    {
        public int Total { get; set; }

        public Task<int> Sum(Pool pool)
        {
            int local = 5;
            return pool.RunAsync(() => Total + Count + local);
        }
    }
}
